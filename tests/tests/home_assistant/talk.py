"""Speaks to a Home Assistant as its owner: talk.py URL FOLDER COMMAND [argument as JSON].

What it answers is one line of JSON. The owner's token is kept in FOLDER.
"""

import asyncio
import json
import pathlib
import sys

import aiohttp

CLIENT = "http://127.0.0.1/"
OWNER = {"name": "Ana", "username": "ana", "password": "solo para la prueba", "language": "es"}


class Home:
    def __init__(self, session, url, folder):
        self.session, self.url, self.kept = session, url, pathlib.Path(folder) / "token"

    async def answer(self, method, path, said=None, form=None, signed=True):
        headers = {"Authorization": "Bearer " + await self.token()} if signed else {}
        async with self.session.request(method, self.url + path, json=said, data=form, headers=headers) as response:
            if response.status >= 400:
                raise SystemExit(f"{method} {path}: {response.status} {await response.text()}")
            return await response.json()

    async def token(self):
        """A new token for each call: they last for half an hour."""
        form = {"client_id": CLIENT, "grant_type": "refresh_token", "refresh_token": self.kept.read_text()}
        return (await self.answer("POST", "/auth/token", form=form, signed=False))["access_token"]

    async def begin(self, _):
        """Makes the owner of a new home."""
        said = {"client_id": CLIENT, **OWNER}
        code = (await self.answer("POST", "/api/onboarding/users", said, signed=False))["auth_code"]
        form = {"client_id": CLIENT, "grant_type": "authorization_code", "code": code}
        self.kept.write_text((await self.answer("POST", "/auth/token", form=form, signed=False))["refresh_token"])

    async def broker(self, settings):
        """Connects to an MQTT broker, as the owner does in the settings."""
        flow = await self.answer("POST", "/api/config/config_entries/flow", {"handler": "mqtt"})
        done = await self.answer("POST", "/api/config/config_entries/flow/" + flow["flow_id"], settings)
        return {"type": done["type"], "errors": done.get("errors")}

    async def states(self, _):
        """What is shown of each entity, by its id."""
        states = await self.answer("GET", "/api/states")
        return {state["entity_id"]: {"state": state["state"], **state["attributes"]} for state in states}

    async def energy(self, entities):
        """Puts counters on the energy dashboard; what it finds wrong with them."""
        token = await self.token()
        async with self.session.ws_connect(self.url.replace("http", "ws", 1) + "/api/websocket") as socket:
            await socket.receive_json()
            await socket.send_json({"type": "auth", "access_token": token})
            assert (await socket.receive_json())["type"] == "auth_ok"
            devices = [{"stat_consumption": entity} for entity in entities]
            source = {"type": "solar", "stat_energy_from": entities[0], "config_entry_solar_forecast": None}
            await socket.send_json(
                {"id": 1, "type": "energy/save_prefs", "device_consumption": devices, "energy_sources": [source]}
            )
            saved = await socket.receive_json()
            assert saved["success"], saved
            await socket.send_json({"id": 2, "type": "energy/validate"})
            checked = await socket.receive_json()
            assert checked["success"], checked
            return checked["result"]


async def main(url, folder, command, argument="null"):
    async with aiohttp.ClientSession() as session:
        print(json.dumps(await getattr(Home(session, url, folder), command)(json.loads(argument))))


asyncio.run(main(*sys.argv[1:]))
