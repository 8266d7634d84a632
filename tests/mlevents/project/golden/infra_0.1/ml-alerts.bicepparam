// Each value comes from the environment, so that the key in the URL is in no command line: docs/alerts.md.
using './ml-alerts.bicep'

param name = readEnvironmentVariable('AZURE_ENV_NAME')
param functionAppId = readEnvironmentVariable('functionAppId')
param functionUrl = readEnvironmentVariable('MONITOR_ALERT_URL')

// What to watch.
param workspaceIds = []
param endpointIds = []
