//! Frames and what is made of them: by themselves, beside another implementation, and over real
//! sockets.

mod autobahn;
mod client;
mod differential;
mod echo;
mod frame;
mod receiver;
mod suite;
