"""HTTP functions that answer with what they got, and with every kind of response."""

import json

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.route("echo/{name}/{number:int?}", methods=["GET", "POST"])
def echo(req: func.HttpRequest) -> func.HttpResponse:
    seen = {
        "method": req.method,
        "url": req.url,
        "headers": dict(req.headers),
        "params": dict(req.params),
        "route": dict(req.route_params),
        "body": req.get_body().hex(),
    }
    return func.HttpResponse(json.dumps(seen), mimetype="application/json")


@app.route("answer", methods=["GET"])
def answer(req: func.HttpRequest) -> func.HttpResponse:
    response = func.HttpResponse(bytes(range(256)), status_code=418, mimetype="image/png")
    response.headers["X-One"] = "1"
    response.headers.add("Set-Cookie", "token=a/b; Max-Age=60; HttpOnly; Secure; SameSite=Strict")
    response.headers.add("Set-Cookie", "other=1; Path=/web; Expires=Wed, 02 Dec 2026 09:00:00 GMT")
    return response


@app.route()
def text(req: func.HttpRequest) -> str:
    return "just a text"


@app.route("empty", methods=["DELETE"])
def empty(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(status_code=202)


@app.route("fails")
def fails(req: func.HttpRequest) -> str:
    raise ValueError("no such thing")


@app.route("files/{*path}")
async def files(req: func.HttpRequest) -> str:
    return str(req.route_params["path"])


@app.route("off")
def off(req: func.HttpRequest) -> str:
    return "off"


@app.route("admin/mine")
def reserved(req: func.HttpRequest) -> str:
    return "never"


@app.route("ECHO/{name}/{number:int?}", methods=["POST"])
def rival(req: func.HttpRequest) -> str:
    return "never"
