//! An object store that speaks S3, for tests: buckets are folders of the folder given.
//!
//! `object-store FOLDER PORT KEY_ID SECRET`

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let given: Vec<String> = std::env::args().collect();
    let [_, folder, port, key, secret] = given.as_slice() else {
        return Err("object-store FOLDER PORT KEY_ID SECRET".into());
    };
    let files = s3s_fs::FileSystem::new(folder).map_err(|e| format!("{folder} cannot be used: {e:?}"))?;
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(key.as_str(), secret.as_str()));
    let service = service.build();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
    println!("listening");
    loop {
        let (socket, _) = listener.accept().await?;
        let service = service.clone();
        tokio::spawn(async move {
            let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
        });
    }
}
