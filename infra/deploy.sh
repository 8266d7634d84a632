#!/bin/sh
# Create or update everything without azd: docs/deploying.md. Needs `make install`, Core Tools, and az with a login.
set -eu
cd "$(dirname "$0")/.."

.venv/bin/mlevents roles --format bicep > infra/generated/roles.bicep
az deployment sub create --name "$AZURE_ENV_NAME" --location "$AZURE_LOCATION" --parameters infra/main.bicepparam \
  --output none

# Resource Manager may change the case of an output that begins with several capitals; these do not.
output() {
  az deployment sub show --name "$AZURE_ENV_NAME" --query "properties.outputs.$1.value" --output tsv
}
resourceGroup=$(output resourceGroup)
functionAppId=$(output functionAppId)
storageId=$(output storageId)
actionGroupId=$(output actionGroupId)
export resourceGroup functionAppId storageId actionGroupId

func azure functionapp publish "$(output functionAppName)"
infra/subscribe.sh
