//! A raw TCP server: writes given bytes at a given pace.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// The reaction to a request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Sends these bytes and closes the connection.
    Send(Vec<u8>),
    /// Sends these bytes and resets the connection.
    Reset(Vec<u8>),
    /// Sends these bytes one at a time.
    Drip(Vec<u8>, Duration),
    /// Sends nothing while the client waits.
    Hang,
}

/// Reacts to every request in the same way until dropped.
#[derive(Debug)]
pub(crate) struct RawServer {
    address: SocketAddr,
    requests: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

// === impl RawServer ===

impl RawServer {
    pub(crate) async fn start(act: Act) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicU32::new(0));
        let counter = requests.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (act, counter) = (act.clone(), counter.clone());
                tokio::spawn(async move {
                    // Some tests drop the client during the answer.
                    let _ = serve(stream, act, &counter).await;
                });
            }
        });
        Self { address, requests, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Number of received requests.
    pub(crate) fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, act: Act, requests: &AtomicU32) -> std::io::Result<()> {
    if !read_request(&mut stream).await? {
        return Ok(());
    }
    requests.fetch_add(1, Ordering::Relaxed);
    match act {
        Act::Send(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await
        }
        Act::Reset(bytes) => {
            stream.write_all(&bytes).await?;
            // Waits until the bytes are sent: a reset discards pending ones.
            tokio::time::sleep(Duration::from_millis(50)).await;
            stream.set_zero_linger()
        }
        Act::Drip(bytes, pause) => {
            for byte in bytes {
                stream.write_all(&[byte]).await?;
                tokio::time::sleep(pause).await;
            }
            Ok(())
        }
        Act::Hang => stream.read_u8().await.map(drop),
    }
}

/// Reads one request, body included; `false` if the connection ends before.
async fn read_request(stream: &mut TcpStream) -> std::io::Result<bool> {
    let mut received = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).await?;
        if count == 0 {
            return Ok(false);
        }
        received.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&received).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
            if body.len() >= length {
                return Ok(true);
            }
        }
    }
}

/// An HTTP/1.1 answer.
pub(crate) fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}
