//! The reply pipeline from the webhook to the customer's telephone: webhooks, the table's stream, the pipe, the queue, the
//! function, the stand-ins of the model and of Twilio.

mod answering;
mod chaos;
mod failing;
mod failover;
mod killed;
mod opting_out;
mod taking_over;
