import asyncio
import json
import websockets

async def chat():
    token = "eyJhbGciOiJIUzI1NiIs..."
    url = f"ws://localhost:8004/chat/ws?token={token}"

    async with websockets.connect(url) as ws:
        # Connection
        print(await ws.recv())  # {"type": "connected"}

        # Send message
        await ws.send(json.dumps({
            "message": "What's the best workout for beginners?",
            "message_type": "fitness_plan"
        }))

        # Typing indicator
        print(await ws.recv())  # {"type": "typing"}

        # Response
        response = json.loads(await ws.recv())
        print(f"Session ID: {response['session_id']}")
        print(f"Response: {response['message']}")
        print(f"Time: {response['data']['response_time_ms']}ms")

asyncio.run(chat())
