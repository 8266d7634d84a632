// The virtual network of `private`: a subnet for the app, and one for the private endpoints of storage.
param name string
param location string
param storageId string

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: 'vnet-${name}'
  location: location
  properties: {
    addressSpace: { addressPrefixes: ['10.20.0.0/16'] }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: '10.20.0.0/24'
          // Flex Consumption runs in this delegation, for which Microsoft.App must be a registered provider.
          delegations: [{ name: 'flex', properties: { serviceName: 'Microsoft.App/environments' } }]
        }
      }
      {
        name: 'endpoints'
        properties: { addressPrefix: '10.20.1.0/24', privateEndpointNetworkPolicies: 'Disabled' }
      }
    ]
  }
}

module endpoints 'private-endpoints.bicep' = {
  name: 'private-endpoints'
  params: {
    name: name
    location: location
    storageId: storageId
    networkId: network.id
    subnetId: '${network.id}/subnets/endpoints'
  }
}

output appSubnetId string = '${network.id}/subnets/app'
