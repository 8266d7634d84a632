#!/bin/sh
# Subscribe the app to the workspaces of its rules, and alert to dead letters: docs/deploying.md. Run it when the app is
# deployed, and when rules or workspaces change. The variables are outputs of main.bicep; azd sets them.
set -eu
cd "$(dirname "$0")/.."

via=function
if [ "${NETWORK:-public}" = private ]; then
  via=queue
fi
.venv/bin/mlevents subscriptions --format bicep --identity --via "$via" \
  --function-app "$functionAppId" --storage "$storageId" --output infra/generated
az deployment group create --name subscriptions --resource-group "$resourceGroup" --output none \
  --template-file infra/generated/subscriptions.bicep

topics=$(az eventgrid system-topic list --query "[?starts_with(name, 'mlevents-')].id" --output json)
az deployment group create --name dead-letters --resource-group "$resourceGroup" --output none \
  --template-file infra/dead-letters.bicep --parameters actionGroupId="$actionGroupId" topicIds="$topics"
