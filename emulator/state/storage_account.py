"""The storage account that uploads go to, and signatures for its containers.

Azure and this account have a clock each. Everything that the emulator serves is dated by its own, which tests move. The
account belongs to another service, Azurite, which checks a signature's expiry by the machine's clock.
"""

from datetime import UTC, datetime, timedelta

from emulator.http.response import ErrorResponse

# The account that every storage emulator has (learn.microsoft.com, "Use the Azurite emulator for local Azure Storage
# development", section "Well-known storage account and key").
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def signed_container(connection: str, name: str, lifetime: timedelta) -> tuple[str, str]:
    """Create the container if it does not exist; its URL, and a signature that is valid for `lifetime` from now.

    Raises an error response (500) without a connection string.
    """
    from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas

    if not connection:
        raise ErrorResponse(500, "InternalServerError", "The emulator has no storage account to upload to.")
    with BlobServiceClient.from_connection_string(connection) as service:
        container = service.get_container_client(name)
        if not container.exists():
            container.create_container()
        signature = generate_container_sas(
            str(service.account_name),
            name,
            account_key=service.credential.account_key,
            permission=ContainerSasPermissions(read=True, write=True, create=True, add=True, list=True, delete=True),
            expiry=datetime.now(UTC) + lifetime,
        )
        return str(container.url), signature
