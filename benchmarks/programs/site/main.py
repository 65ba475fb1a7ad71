"""A FastAPI app that says who answers."""

import asyncio

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from release import IS_SILENT, IS_UNHEALTHY, who

app = FastAPI()


@app.get("/")
async def root() -> dict[str, object]:
    if IS_SILENT:
        await asyncio.sleep(600)
    return who()


@app.get("/health")
async def health() -> JSONResponse:
    if IS_SILENT:
        await asyncio.sleep(600)
    return JSONResponse(who(), 503 if IS_UNHEALTHY else 200)
