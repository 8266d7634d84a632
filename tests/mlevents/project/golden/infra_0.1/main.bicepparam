// Each value comes from the environment: of the shell, or of azd (`azd env set ALERT_EMAIL ml-platform@example.com`).
using './main.bicep'

param name = readEnvironmentVariable('AZURE_ENV_NAME')
param location = readEnvironmentVariable('AZURE_LOCATION')
param network = readEnvironmentVariable('NETWORK', 'public')
param alertEmail = readEnvironmentVariable('ALERT_EMAIL', '')
param mailDataLocation = readEnvironmentVariable('MAIL_DATA_LOCATION', '')
param pageClientId = readEnvironmentVariable('PAGE_CLIENT_ID', '')
param updateStrategy = readEnvironmentVariable('UPDATE_STRATEGY', 'RollingUpdate')

// What your rules read. An empty setting counts as missing.
param appSettings = {
  RULES_WS_CHURN_DEV: readEnvironmentVariable('RULES_WS_CHURN_DEV', '')
  RULES_WS_CHURN_PROD: readEnvironmentVariable('RULES_WS_CHURN_PROD', '')
}

// Roles on resources that rules do not name; `mlevents roles` lists them.
param otherRoles = []
