//! One HTTP/1.1 connection of the loader: heads through httparse, bodies by length, in chunks or until the end.

use std::io;
use std::net::SocketAddr;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const READ_SIZE: usize = 16 * 1024;
const MAX_HEAD: usize = 64 * 1024;

/// What the status line and the headers said.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    /// The server will close after this answer.
    pub(super) close: bool,
    pub(super) generation: Option<String>,
    framing: Framing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length(usize),
    UntilClose,
    ChunkSize,
    ChunkData(usize),
    ChunkEnd,
    Trailers,
    Done,
}

pub(super) struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Connection {
    pub(super) async fn open(target: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: BytesMut::with_capacity(2 * READ_SIZE),
        })
    }

    pub(super) async fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request).await
    }

    pub(super) async fn head(&mut self) -> io::Result<Head> {
        loop {
            if let Some((head, length)) = parse_head(&self.buffer)? {
                self.buffer.advance(length);
                return Ok(head);
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(invalid("the answer's head does not end"));
            }
            if self.read().await? == 0 {
                return Err(cut("the connection ended before the answer's head did"));
            }
        }
    }

    /// Appends what has come of the body to `into`, waiting for some if there is none. False when the body has ended.
    pub(super) async fn body(&mut self, head: &mut Head, into: &mut Vec<u8>) -> io::Result<bool> {
        let before = into.len();
        loop {
            decode(&mut self.buffer, &mut head.framing, into)?;
            if head.framing == Framing::Done {
                return Ok(false);
            }
            if into.len() > before {
                return Ok(true);
            }
            if self.read().await? == 0 {
                if head.framing == Framing::UntilClose {
                    head.framing = Framing::Done;
                    return Ok(false);
                }
                return Err(cut("the connection ended before the answer did"));
            }
        }
    }

    async fn read(&mut self) -> io::Result<usize> {
        self.buffer.reserve(READ_SIZE);
        self.stream.read_buf(&mut self.buffer).await
    }
}

/// A whole answer to a single request.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// GETs `path` on a connection of its own.
pub async fn fetch(target: SocketAddr, path: &str, key: Option<&str>) -> io::Result<Answer> {
    let authorization = key
        .map(|key| format!("authorization: Bearer {key}\r\n"))
        .unwrap_or_default();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {target}\r\n{authorization}connection: close\r\n\r\n");
    let mut connection = Connection::open(target).await?;
    connection.send(request.as_bytes()).await?;
    let mut head = connection.head().await?;
    let mut body = Vec::new();
    while connection.body(&mut head, &mut body).await? {}
    Ok(Answer {
        status: head.status,
        body,
    })
}

fn parse_head(buffer: &[u8]) -> io::Result<Option<(Head, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(invalid(&format!("the answer's head is not HTTP: {error}"))),
    };
    let status = response.code.expect("a complete head has a status");
    let bodiless = status < 200 || status == 204 || status == 304;
    let framing = if bodiless { Framing::Done } else { Framing::UntilClose };
    let mut head = Head {
        status,
        close: response.version == Some(0),
        generation: None,
        framing,
    };
    for header in response.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") && !bodiless {
            let length = str::from_utf8(header.value)
                .ok()
                .and_then(|text| text.trim().parse().ok());
            head.framing = Framing::Length(length.ok_or_else(|| invalid("content-length is not a number"))?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") && !bodiless {
            head.framing = Framing::ChunkSize;
        } else if header.name.eq_ignore_ascii_case("connection") {
            head.close |= header.value.eq_ignore_ascii_case(b"close");
        } else if header.name.eq_ignore_ascii_case("x-generation-id") {
            head.generation = Some(String::from_utf8_lossy(header.value).into_owned());
        }
    }
    head.close |= head.framing == Framing::UntilClose;
    Ok(Some((head, length)))
}

/// Moves what the buffer holds of the body to `into`, and the framing on.
fn decode(buffer: &mut BytesMut, framing: &mut Framing, into: &mut Vec<u8>) -> io::Result<()> {
    loop {
        *framing = match *framing {
            Framing::Length(0) => Framing::Done,
            Framing::ChunkData(0) => Framing::ChunkEnd,
            Framing::Done => return Ok(()),
            _ if buffer.is_empty() => return Ok(()),
            Framing::Length(left) => Framing::Length(left - take(buffer, left, into)),
            Framing::ChunkData(left) => Framing::ChunkData(left - take(buffer, left, into)),
            Framing::UntilClose => {
                take(buffer, usize::MAX, into);
                Framing::UntilClose
            }
            Framing::ChunkSize | Framing::ChunkEnd | Framing::Trailers => {
                let Some(end) = memchr::memchr(b'\n', buffer) else {
                    return Ok(());
                };
                let line = buffer.split_to(end + 1);
                after_line(*framing, line.trim_ascii())?
            }
        };
    }
}

fn after_line(framing: Framing, line: &[u8]) -> io::Result<Framing> {
    match framing {
        Framing::ChunkSize => {
            let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
            let size = str::from_utf8(digits)
                .ok()
                .and_then(|text| usize::from_str_radix(text.trim(), 16).ok());
            let size = size.ok_or_else(|| invalid("a chunk's size is not a number"))?;
            Ok(if size == 0 {
                Framing::Trailers
            } else {
                Framing::ChunkData(size)
            })
        }
        Framing::ChunkEnd if line.is_empty() => Ok(Framing::ChunkSize),
        Framing::ChunkEnd => Err(invalid("a chunk is longer than its size")),
        _ if line.is_empty() => Ok(Framing::Done),
        _ => Ok(Framing::Trailers),
    }
}

fn take(buffer: &mut BytesMut, most: usize, into: &mut Vec<u8>) -> usize {
    let length = buffer.len().min(most);
    into.extend_from_slice(&buffer[..length]);
    buffer.advance(length);
    length
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn cut(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(pieces: &[&[u8]], mut framing: Framing) -> io::Result<(Vec<u8>, Framing)> {
        let (mut buffer, mut into) = (BytesMut::new(), Vec::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            decode(&mut buffer, &mut framing, &mut into)?;
        }
        Ok((into, framing))
    }

    #[test]
    fn a_chunked_body_is_the_same_however_it_is_split() {
        let wire: &[u8] = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n";
        for at in 0..wire.len() {
            let (body, framing) = decoded(&[&wire[..at], &wire[at..]], Framing::ChunkSize).unwrap();
            assert_eq!(
                (body.as_slice(), framing),
                (b"hello world".as_slice(), Framing::Done),
                "split at {at}"
            );
        }
    }

    #[test]
    fn a_chunk_longer_than_its_size_is_refused() {
        assert!(decoded(&[b"2\r\nhello\r\n"], Framing::ChunkSize).is_err());
        assert!(decoded(&[b"zz\r\n"], Framing::ChunkSize).is_err());
    }

    #[test]
    fn a_body_by_length_ends_there() {
        let (body, framing) = decoded(&[b"ab", b"cdef"], Framing::Length(4)).unwrap();
        assert_eq!((body.as_slice(), framing), (b"abcd".as_slice(), Framing::Done));
    }

    #[test]
    fn a_head_tells_status_framing_generation_and_whether_it_closes() {
        let wire =
            b"HTTP/1.1 200 OK\r\nX-Generation-Id: gen-0-A\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
        let (head, length) = parse_head(wire).unwrap().unwrap();
        assert_eq!(
            (head.status, head.framing, head.close, length),
            (200, Framing::ChunkSize, true, wire.len())
        );
        assert_eq!(head.generation.as_deref(), Some("gen-0-A"));
        assert!(parse_head(&wire[..20]).unwrap().is_none());
        assert!(parse_head(b"SSH-2.0-x\r\n\r\n").is_err());
    }
}
