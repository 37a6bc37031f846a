// Setup SSE connection
const setupEventSource = () => {
  const eventSource = new EventSource(
    `/api/stream/conversation/${selectedLead.id}?phoneNumber=${selectedLead.phoneNumber}&load=true&organizationId=${organizationId}`
  );
  
  eventSource.onmessage = (event) => {
    const data = JSON.parse(event.data);
    
    // Security validation
    if (data.organizationId !== organizationId) {
      console.error('Cross-org data detected');
      return;
    }
    
    handleRealTimeUpdate(data);
  };
};

// Handle real-time updates
const handleRealTimeUpdate = (data) => {
  switch (data.type) {
    case 'conversation_history':
      setConversationHistory(data.messages);
      break;
    case 'sms_received':
      addMessage(data.message);
      break;
    case 'call_initiated':
      setCallActive(true);
      break;
    case 'human_control_started':
      setHumanControlActive(true);
      break;
  }
};
