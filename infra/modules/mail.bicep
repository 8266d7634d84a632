// Communication Services with a domain that Azure manages: it sends 5 mails a minute and 10 an hour.
param name string
param dataLocation string

resource service 'Microsoft.Communication/emailServices@2023-04-01' = {
  name: 'mail-${name}-${uniqueString(resourceGroup().id)}'
  location: 'global'
  properties: { dataLocation: dataLocation }
}

resource domain 'Microsoft.Communication/emailServices/domains@2023-04-01' = {
  parent: service
  name: 'AzureManagedDomain'
  location: 'global'
  properties: { domainManagement: 'AzureManaged' }
}

resource communication 'Microsoft.Communication/communicationServices@2023-04-01' = {
  name: 'acs-${name}-${uniqueString(resourceGroup().id)}'
  location: 'global'
  properties: { dataLocation: dataLocation, linkedDomains: [domain.id] }
}

output id string = communication.id
output settings object = {
  EMAIL_ACS_ENDPOINT: 'https://${communication.properties.hostName}'
  EMAIL_FROM: 'DoNotReply@${domain.properties.fromSenderDomain}'
}
