import requests
import json

url = 'http://localhost:5000/api/conversation/conv_123/stream'
headers = {
    'Authorization': f'Bearer {token}',
    'Accept': 'text/event-stream'
}

with requests.get(url, headers=headers, stream=True) as response:
    for line in response.iter_lines():
        if line.startswith(b'data:'):
            data = json.loads(line[5:])
            print(data)
