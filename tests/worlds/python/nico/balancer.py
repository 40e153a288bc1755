"""One address before all instances: each connection goes to the next of them that takes it. balancer.py PORT TARGET..."""

import asyncio
import itertools
import sys

turn = itertools.cycle([int(port) for port in sys.argv[2:]])


async def pipe(reader, writer):
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def take(reader, writer):
    for _ in sys.argv[2:]:
        try:
            there = await asyncio.open_connection("127.0.0.1", next(turn))
        except OSError:
            continue
        await asyncio.gather(pipe(reader, there[1]), pipe(there[0], writer), return_exceptions=True)
        return
    writer.close()


async def main():
    server = await asyncio.start_server(take, "127.0.0.1", int(sys.argv[1]))
    print("balancing", flush=True)
    await server.serve_forever()


asyncio.run(main())
