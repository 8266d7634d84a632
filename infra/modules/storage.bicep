// The storage account: the app's record and queues, its code, and dead letters. Access keys are off.
param name string
param location string
param isPrivate bool

// As dispatch/settings.py names them. The host appends -poison.
var queueNames = ['mlevents-events', 'mlevents-events-poison', 'mlevents-actions', 'mlevents-actions-poison']
var containerNames = ['deadletter', 'deployments']

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: 'st${take(replace(toLower(name), '-', ''), 9)}${uniqueString(resourceGroup().id)}'
  location: location
  kind: 'StorageV2'
  sku: { name: 'Standard_ZRS' }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // Event Grid is a trusted service: with the identity of a topic, it passes a firewall to write dead letters and
    // messages. It would not pass `publicNetworkAccess: 'Disabled'`.
    publicNetworkAccess: 'Enabled'
    networkAcls: { bypass: 'AzureServices', defaultAction: isPrivate ? 'Deny' : 'Allow' }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: account
  name: 'default'
  properties: { deleteRetentionPolicy: { enabled: true, days: 7 } }
}

resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = [
  for container in containerNames: {
    parent: blobs
    name: container
    properties: { publicAccess: 'None' }
  }
]

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2024-01-01' = {
  parent: account
  name: 'default'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' = [
  for queue in queueNames: {
    parent: queueService
    name: queue
  }
]

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2024-01-01' = {
  parent: account
  name: 'default'
}

resource table 'Microsoft.Storage/storageAccounts/tableServices/tables@2024-01-01' = {
  parent: tableService
  name: 'mlevents'
}

output id string = account.id
output name string = account.name
