//! A relay that does nothing but pass bytes on, for measurements beside the server: `plain-relay PORT`.
//!
//! A connection begins with four bytes: one for its side (`P` gives, `S` takes) and three for the pair's number. What one
//! gives, the other takes.

use std::{collections::HashMap, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Mutex,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = std::env::args().nth(1).ok_or("plain-relay PORT")?.parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening");
    let takers: Arc<Mutex<HashMap<[u8; 3], TcpStream>>> = Arc::default();
    loop {
        let (mut socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let takers = takers.clone();
        tokio::spawn(async move {
            let mut head = [0; 4];
            socket.read_exact(&mut head).await?;
            let pair = [head[1], head[2], head[3]];
            if head[0] == b'S' {
                socket.write_all(&[1]).await?;
                takers.lock().await.insert(pair, socket);
                return Ok(());
            }
            let Some(mut taker) = takers.lock().await.remove(&pair) else { return Ok(()) };
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let got = socket.read(&mut buffer).await?;
                if got == 0 {
                    return Ok::<_, std::io::Error>(());
                }
                taker.write_all(&buffer[..got]).await?;
            }
        });
    }
}
