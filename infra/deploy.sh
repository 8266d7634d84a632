#!/bin/sh
# Create or update everything without azd: docs/deploying.md. Needs `make install`, Core Tools, and az with a login.
set -eu
cd "$(dirname "$0")/.."

.venv/bin/mlevents roles --format bicep > infra/generated/roles.bicep
az deployment sub create --name "$AZURE_ENV_NAME" --location "$AZURE_LOCATION" --parameters infra/main.bicepparam \
  --output none

# Resource Manager may change the case of an output that begins with several capitals; these do not.
app=$(az deployment sub show --name "$AZURE_ENV_NAME" --query properties.outputs.functionAppName.value --output tsv)
func azure functionapp publish "$app"
