// The roles of the app's identity. Written by: mlevents roles --format bicep
param principalId string
param storageId string
param applicationInsightsId string
param communicationServiceId string
param otherRoles array

var needed = [
  // Storage Blob Data Owner: code, and leases of the host
  { scope: storageId, role: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b' }
  // Storage Queue Data Contributor: what waits
  { scope: storageId, role: '974c5e8b-45b9-4653-ba55-5f855dd0fb88' }
  // Storage Table Data Contributor: the record
  { scope: storageId, role: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3' }
  // Monitoring Metrics Publisher: telemetry
  { scope: applicationInsightsId, role: '3913510d-42f4-4e42-8a64-420c390055eb' }
]
var forMail = empty(communicationServiceId) ? [] : [
  // Communication and Email Service Owner: mail without EMAIL_ACS_KEY
  //   for mail-failed-runs, -alerts
  { scope: communicationServiceId, role: '09976791-48a7-449e-bb21-39d1a415f350' }
]

module roles '../modules/role.json' = [
  for each in union(needed, forMail, otherRoles): {
    name: 'role-${uniqueString(each.scope, each.role)}'
    scope: resourceGroup(split(each.scope, '/')[2], split(each.scope, '/')[4])
    params: { scope: each.scope, role: each.role, principalId: principalId }
  }
]
