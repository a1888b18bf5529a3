//! Connections of the server, bounded in number and time: whoever reaches the port must not take the files that the
//! process needs for the API server.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Instant, Sleep},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Limits of connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Open connections, at most.
    connections: usize,
    /// From the start of a connection or the last answer to the end of the next request, and for a client to take an
    /// answer.
    request: Duration,
    /// From the start of a connection to its end.
    lifetime: Duration,
}

/// Accepts connections. One more than the limit closes the oldest: a probe is served however many silent connections
/// there are.
#[derive(Debug)]
pub(super) struct BoundedListener {
    listener: TcpListener,
    limits: Limits,
    /// The oldest first.
    open: VecDeque<CancellationToken>,
}

/// A connection that ends at its deadline.
#[derive(Debug)]
pub(super) struct BoundedStream {
    stream: TcpStream,
    request: Duration,
    /// Not later than this, whatever happens.
    end: Instant,
    deadline: Pin<Box<Sleep>>,
    closed: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Cancelled when the stream is dropped.
    token: CancellationToken,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 64, request: Duration::from_secs(10), lifetime: Duration::from_secs(60) }
    }
}

// === impl BoundedListener ===

impl BoundedListener {
    pub(super) fn new(listener: TcpListener, limits: Limits) -> Self {
        Self { listener, limits, open: VecDeque::new() }
    }

    fn bounded(&mut self, stream: TcpStream) -> BoundedStream {
        self.open.retain(|token| !token.is_cancelled());
        while self.open.len() >= self.limits.connections {
            if let Some(oldest) = self.open.pop_front() {
                oldest.cancel();
            }
        }
        let token = CancellationToken::new();
        self.open.push_back(token.clone());
        let now = Instant::now();
        BoundedStream {
            stream,
            request: self.limits.request,
            end: now + self.limits.lifetime,
            deadline: Box::pin(tokio::time::sleep(self.limits.request)),
            closed: Box::pin(token.clone().cancelled_owned()),
            token,
        }
    }
}

impl Listener for BoundedListener {
    type Io = BoundedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (BoundedStream, SocketAddr) {
        // Waits after an error, such as too many open files.
        let (stream, address) = Listener::accept(&mut self.listener).await;
        (self.bounded(stream), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

// === impl BoundedStream ===

impl BoundedStream {
    /// Fails once the connection is to end. A client that sends or takes one byte at a time does not delay that.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let is_closed = self.closed.as_mut().poll(context).is_ready();
        if is_closed || self.deadline.as_mut().poll(context).is_ready() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

impl AsyncRead for BoundedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for BoundedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        // An answer is on its way: the next request has its own time.
        let next = (Instant::now() + self.request).min(self.end);
        if next > self.deadline.deadline() {
            self.deadline.as_mut().reset(next);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Drop for BoundedStream {
    fn drop(&mut self) {
        self.token.cancel();
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, routing::get};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn serve(limits: Limits) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(async || "here"));
        tokio::spawn(async move { axum::serve(BoundedListener::new(listener, limits), router).await });
        address
    }

    fn short() -> Limits {
        let request = Duration::from_millis(200);
        Limits { connections: 8, request, lifetime: Duration::from_millis(900) }
    }

    async fn ask(stream: &mut TcpStream) -> io::Result<bool> {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await?;
        let mut answer = vec![0; 4096];
        let count = stream.read(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer[..count]).contains("here"))
    }

    /// Waits until the server has closed the connection.
    async fn closed(stream: &mut TcpStream) {
        let end = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut Vec::new())).await;
        end.expect("the connection ends").ok();
    }

    #[tokio::test]
    async fn the_oldest_of_too_many_connections_are_closed() {
        let address = serve(Limits { request: Duration::from_secs(60), ..short() }).await;
        let mut silent = Vec::new();
        for _ in 0..100 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let mut probe = TcpStream::connect(address).await.unwrap();
        assert!(ask(&mut probe).await.unwrap());
        for stream in &mut silent[..92] {
            closed(stream).await;
        }
    }

    #[tokio::test]
    async fn silence_half_a_request_and_single_bytes_are_not_waited_for() {
        let address = serve(short()).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut half = TcpStream::connect(address).await.unwrap();
        half.write_all(b"GET / HTT").await.unwrap();
        let mut drip = TcpStream::connect(address).await.unwrap();
        let dripping = async {
            for byte in b"GET / HTTP/1.1\r\nX-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" {
                if drip.write_all(&[*byte]).await.is_err() {
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            false
        };
        assert!(dripping.await, "it was closed before all bytes were sent");
        closed(&mut silent).await;
        closed(&mut half).await;
    }

    #[tokio::test]
    async fn a_connection_serves_several_requests_and_then_ends() {
        let address = serve(short()).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        for _ in 0..4 {
            assert!(ask(&mut stream).await.unwrap());
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        let begun = Instant::now();
        while ask(&mut stream).await.unwrap_or(false) && begun.elapsed() < Duration::from_secs(5) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "the lifetime is over");
    }
}
