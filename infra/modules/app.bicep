// The function app, on Flex Consumption. It reaches everything with its identity, and has no key.
param name string
param location string
param identityId string
param clientId string
param storageName string
param applicationInsightsName string
param subnetId string
param updateStrategy string
param pageClientId string

@secure()
param settings object

var hasPage = !empty(pageClientId)
var storageSuffix = environment().suffixes.storage

resource insights 'Microsoft.Insights/components@2020-02-02' existing = { name: applicationInsightsName }

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: 'plan-${name}'
  location: location
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-11-01' = {
  name: 'func-${name}-${uniqueString(resourceGroup().id)}'
  location: location
  kind: 'functionapp,linux'
  tags: { 'azd-service-name': 'app' }
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: { minTlsVersion: '1.2' }
    functionAppConfig: {
      runtime: { name: 'python', version: '3.12' }
      scaleAndConcurrency: { instanceMemoryMB: 2048, maximumInstanceCount: 40 }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: 'https://${storageName}.blob.${storageSuffix}/deployments'
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identityId }
        }
      }
      // Documented for this API version ("Site update strategies in Flex Consumption"), and not in its published type.
      #disable-next-line BCP037
      siteUpdateStrategy: { type: updateStrategy }
    }
  }
}

resource ftp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'ftp'
  properties: { allow: false }
}

resource scm 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'scm'
  properties: { allow: false }
}

resource appSettings 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: app
  name: 'appsettings'
  properties: union(
    {
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: clientId
      AzureWebJobsStorage__blobServiceUri: 'https://${storageName}.blob.${storageSuffix}'
      AzureWebJobsStorage__queueServiceUri: 'https://${storageName}.queue.${storageSuffix}'
      AzureWebJobsStorage__tableServiceUri: 'https://${storageName}.table.${storageSuffix}'
      APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${clientId};Authorization=AAD'
      AZURE_CLIENT_ID: clientId
      PYTHON_THREADPOOL_THREAD_COUNT: '32'
    },
    hasPage ? { MLEVENTS_WEB: 'entra' } : {},
    settings
  )
}

module page 'page.bicep' = if (hasPage) {
  name: 'page'
  params: { appName: app.name, clientId: pageClientId }
}

output id string = app.id
output name string = app.name
output redirectUri string = 'https://${app.properties.defaultHostName}/.auth/login/aad/callback'
