//! Who may do what: every route as everybody, and two organizations that share a customer.

mod control;
mod matrix;
mod routes;
mod tenants;
