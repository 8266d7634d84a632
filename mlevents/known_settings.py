"""The app settings: what each is, and its default. docs/reference/settings.md is generated from them."""

from typing import NamedTuple

from dispatch.settings import Names
from handlers.email.settings import PORTS, EmailSettings


class Known(NamedTuple):
    """A setting in words, with Markdown whose links are those of a page in docs/reference."""

    meaning: str
    default: str = ""


HOST = {
    "AzureWebJobsStorage": Known("the storage account: a connection string, or `UseDevelopmentStorage=true`"),
    "AzureWebJobsStorage__accountName": Known("its name, to use the app's identity"),
    "AzureWebJobsStorage__queueServiceUri": Known("the URL of its queues, for private endpoints or other clouds"),
    "AzureWebJobsStorage__tableServiceUri": Known("the URL of its tables, likewise"),
    "AzureWebJobsStorage__credential": Known("`managedidentity`"),
    "AzureWebJobsStorage__clientId": Known("which user-assigned identity", "the system-assigned one"),
    "AZURE_CLIENT_ID": Known("the user-assigned identity for everything else, such as mail", "the system-assigned one"),
    "PYTHON_THREADPOOL_THREAD_COUNT": Known("threads of a worker; set it to 32", "5 on one core: too few"),
    "AzureWebJobs.NAME.Disabled": Known("`1` disables the function `NAME`"),
}
APP = {
    "MLEVENTS_RULES": Known("the folder with the rules", "`rules`"),
    "MLEVENTS_TABLE": Known("the table; a slot setting, if you use slots", f"`{Names.table}`"),
    "MLEVENTS_QUEUE": Known("the queue of actions, likewise", f"`{Names.actions}`"),
    "MLEVENTS_EVENTS_QUEUE": Known("the queue of events, likewise", f"`{Names.events}`"),
    "MLEVENTS_RETENTION": Known("how long ended actions and events are kept; at least `2d`", "`90d`"),
    "MLEVENTS_ARM_ENDPOINT": Known("Azure Resource Manager, for other clouds", "`https://management.azure.com`"),
    "MLEVENTS_WEB": Known("who may see [the page](../history.md#the-page): `entra` or `key`", "nobody"),
    "MLEVENTS_WEB_OPERATORS": Known(
        "for `entra`: ids of groups or app roles whose members may replay and pause", "nobody"
    ),
    "MLEVENTS_WEB_READERS": Known("for `entra`: ids of groups or app roles whose members may look", "the tenant"),
    "MLEVENTS_EVENTGRID_KEY": Known("for `mlevents send` only: the deployed app's key", "asked of `az`"),
}
_PORTS = ", ".join(f"{port} for `{security}`" for security, port in PORTS.items())
MAIL = {
    "EMAIL_FROM": Known("the sender: an address, or `Name <address>`"),
    "EMAIL_ACS_ENDPOINT": Known("Azure Communication Services: its URL"),
    "EMAIL_ACS_KEY": Known("its key", "the app's identity"),
    "EMAIL_SMTP_HOST": Known("or a mail server"),
    "EMAIL_SMTP_PORT": Known("its port", _PORTS),
    "EMAIL_SMTP_SECURITY": Known(
        "`starttls`, `tls` (from the first byte) or `none`", f"`{EmailSettings.model_fields['smtp_security'].default}`"
    ),
    "EMAIL_SMTP_USERNAME": Known("the login, if it requires one"),
    "EMAIL_SMTP_PASSWORD": Known("its password"),
}
