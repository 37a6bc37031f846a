import { EventSourcePolyfill } from "react-native-event-source";

class StudyGuruStreamingService {
  private baseUrl: string;
  private token: string;

  constructor(baseUrl: string, token: string) {
    this.baseUrl = baseUrl;
    this.token = token;
  }

  async streamConversation(
    message: string,
    onToken: (token: string) => void,
    onComplete: (data: any) => void,
    onError: (error: string) => void
  ) {
    const url = `${this.baseUrl}/api/stream/stream-conversation`;

    const eventSource = new EventSourcePolyfill(url, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${this.token}`,
        "Content-Type": "application/json",
      },
      body: JSON.stringify({ message }),
    });

    eventSource.onmessage = (event) => {
      const data = JSON.parse(event.data);

      switch (data.type) {
        case "token":
          onToken(data.content);
          break;
        case "complete":
          onComplete(data);
          eventSource.close();
          break;
        case "error":
          onError(data.error);
          eventSource.close();
          break;
      }
    };

    eventSource.onerror = (error) => {
      onError("Connection error");
      eventSource.close();
    };

    return eventSource;
  }
}
