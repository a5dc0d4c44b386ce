//! A tap on a wire: what passes through it, both ways, is kept in files, to be searched afterwards.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Listens and forwards until it is dropped.
#[derive(Debug)]
pub struct Tap(AbortHandle);

impl Tap {
    /// Forwards what connects to `listen` to the same server each time; two files a connection in `directory`.
    pub async fn start(listen: SocketAddr, server: SocketAddr, directory: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let listener = TcpListener::bind(listen).await?;
        let directory = directory.to_owned();
        let task = tokio::spawn(async move {
            let mut number = 0_u32;
            while let Ok((client, _)) = listener.accept().await {
                number += 1;
                let place = directory.join(format!("{}-{number}", listen.port()));
                // An error ends the connection, as it would without a tap.
                tokio::spawn(async move { forward(client, server, place).await.ok() });
            }
        });
        Ok(Self(task.abort_handle()))
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn forward(client: TcpStream, server: SocketAddr, place: PathBuf) -> std::io::Result<()> {
    let server = TcpStream::connect(server).await?;
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let asked = copy(client_read, server_write, place.with_extension("asked"));
    let answered = copy(server_read, client_write, place.with_extension("answered"));
    tokio::try_join!(asked, answered).map(drop)
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, kept: PathBuf) -> std::io::Result<()> {
    let mut file = File::create(kept).await?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            file.flush().await?;
            return to.shutdown().await;
        }
        file.write_all(&buffer[..length]).await?;
        file.flush().await?;
        to.write_all(&buffer[..length]).await?;
    }
}
