// All that the app needs, in a resource group of its own. The event subscriptions follow: docs/deploying.md.
targetScope = 'subscription'

@minLength(3)
@maxLength(20)
param name string
@description('The Azure region of all resources.')
param location string
@description('public: Event Grid calls the function. private: it fills a queue, and storage has private endpoints.')
@allowed(['public', 'private'])
param network string = 'public'
@description('Who gets alerts of Azure Monitor by mail; empty: the portal shows them.')
param alertEmail string = ''
@description('Where Communication Services keeps mails, such as Europe; empty: settings EMAIL_… name a mail service.')
param mailDataLocation string = ''
@description('The application that signs the users of the page in; empty: there is no page.')
param pageClientId string = ''
@description('What an update does to running calls: docs/deploying.md.')
@allowed(['RollingUpdate', 'Recreate'])
param updateStrategy string = 'RollingUpdate'
@description('App settings: the RULES_… that rules read, EMAIL_… and MLEVENTS_….')
@secure()
param appSettings object = {}
@description('Roles on resources that rules do not name: objects with an ARM id as `scope` and a GUID as `role`.')
param otherRoles array = []
var isPrivate = network == 'private'
var hasMail = !empty(mailDataLocation)

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: 'rg-${name}'
  location: location
  tags: { 'azd-env-name': name }
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: { name: name, location: location }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  scope: group
  params: { name: name, location: location, isPrivate: isPrivate }
}

module privateNetwork 'modules/network.bicep' = if (isPrivate) {
  name: 'network'
  scope: group
  params: { name: name, location: location, storageId: storage.outputs.id }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: { name: name, location: location, storageId: storage.outputs.id, alertEmail: alertEmail }
}

module mail 'modules/mail.bicep' = if (hasMail) {
  name: 'mail'
  scope: group
  params: { name: name, dataLocation: mailDataLocation }
}
module roles 'generated/roles.bicep' = {
  name: 'roles'
  scope: group
  params: {
    principalId: identity.outputs.principalId
    storageId: storage.outputs.id
    applicationInsightsId: monitoring.outputs.id
    communicationServiceId: hasMail ? mail!.outputs.id : ''
    otherRoles: otherRoles
  }
}

module app 'modules/app.bicep' = {
  name: 'app'
  scope: group
  dependsOn: [roles]
  params: {
    name: name
    location: location
    identityId: identity.outputs.id
    clientId: identity.outputs.clientId
    storageName: storage.outputs.name
    applicationInsightsName: monitoring.outputs.name
    subnetId: isPrivate ? privateNetwork!.outputs.appSubnetId : ''
    updateStrategy: updateStrategy
    pageClientId: pageClientId
    settings: union(hasMail ? mail!.outputs.settings : {}, appSettings)
  }
}

output resourceGroup string = group.name
output functionAppName string = app.outputs.name
output functionAppId string = app.outputs.id
output storageId string = storage.outputs.id
output actionGroupId string = monitoring.outputs.actionGroupId
output pageRedirectUri string = app.outputs.redirectUri
