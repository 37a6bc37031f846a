import asyncio
import aiohttp
import json

async def stream_conversation(message, token=None):
    url = "http://localhost:8000/api/stream/stream-conversation"

    headers = {
        "Content-Type": "application/json",
        "Accept": "text/event-stream"
    }

    if token:
        headers["Authorization"] = f"Bearer {token}"

    payload = {"message": message}

    async with aiohttp.ClientSession() as session:
        async with session.post(url, json=payload, headers=headers) as response:
            async for line in response.content:
                line = line.decode('utf-8').strip()

                if line.startswith('data: '):
                    data = json.loads(line[6:])

                    if data['type'] == 'token':
                        print(data['content'], end='', flush=True)
                    elif data['type'] == 'complete':
                        print(f"\n\nComplete: {data}")
                        break
                    elif data['type'] == 'error':
                        print(f"\nError: {data['error']}")
                        break

# Usage
asyncio.run(stream_conversation("What is 2+2?"))
