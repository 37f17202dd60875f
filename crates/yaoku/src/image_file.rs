//! The file of the catalogue's image: written when the server stops, read and removed when it starts.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use yaoku_kms::Kms;

use crate::Error;
use crate::datadir::DataDir;

/// The image.
const FILE: &str = "catalogue.image";
/// The image in the making.
const NEW: &str = "catalogue.image.new";

/// The image that the last stop left, if it left one. It is read once: what is on the disk goes as soon as it was opened.
pub(crate) fn take(data_dir: &DataDir) -> Option<Box<dyn Read + Send>> {
    let path = data_dir.join(FILE);
    let opened: Option<Box<dyn Read + Send>> = match File::open(&path) {
        Ok(file) => Some(Box::new(BufReader::with_capacity(1 << 20, file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "can't open the catalogue image; this start takes longer");
            None
        }
    };
    for path in [path, data_dir.join(NEW)] {
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "can't remove the catalogue image");
        }
    }
    opened
}

/// Leaves an image to the next start. Whatever fails costs that start its time, and nothing else.
pub(crate) async fn leave(data_dir: &DataDir, kms: &Arc<Kms>) {
    if let Err(error) = try_leave(data_dir, kms).await {
        tracing::warn!(%error, "can't write the catalogue image; the next start takes longer");
    }
}

async fn try_leave(data_dir: &DataDir, kms: &Arc<Kms>) -> Result<(), Error> {
    let (new, path) = (data_dir.join(NEW), data_dir.join(FILE));
    let file = create(&new).map_err(Error::file(&new))?;
    let out = BufWriter::with_capacity(1 << 20, file.try_clone().map_err(Error::file(&new))?);
    let drawn = kms.draw_image(out).await?;
    file.sync_all().map_err(Error::file(&new))?;
    fs::rename(&new, &path).map_err(Error::file(&path))?;
    data_dir.sync()?;
    Ok(kms.keep_image(drawn).await?)
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}
