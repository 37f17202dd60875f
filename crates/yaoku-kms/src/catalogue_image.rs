//! An image of the catalogue: what a server that stops leaves to the next start, which then need not open every key's record.
//!
//! An image is a file of pieces ([`crate::catalogue::Piece`]), each as its length (32 bits, big-endian) and its sealed bytes. Its key
//! is drawn for it alone, and is in a record of the store together with the number of pieces. The commit of that record is
//! the one right after those that the image shows. Only while it is the store's last is the image read: whatever is
//! committed later, by whomever, voids it, and so does another store in the place of this one.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

use yaoku_crypto::aead::{Algorithm, CommittingAead};
use yaoku_crypto::{Secret, SystemRandom};
use yaoku_seal::{Changes, Outcome, Revision, Vault, View};

use crate::catalogue::{Catalogue, Gathering, Piece};
use crate::record::{ImageRecord, image_name};
use crate::{Error, Kms};

/// The most bytes of a piece; none that is written comes near.
const MAX_PIECE: u32 = 64 << 20;
/// Pieces that are opened while others are gathered.
const PIECES_AHEAD: usize = 4;

/// An image that was written, and counts once it is kept.
pub struct DrawnImage(ImageRecord);

impl Kms {
    /// Writes an image of the catalogue. Everything that changes keys must have ended.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the store can't be read, or the image not written.
    pub async fn draw_image(self: &Arc<Self>, out: impl Write + Send + 'static) -> Result<DrawnImage, Error> {
        let revision = self.vault.view().await?.revision();
        self.in_force(revision).await?;
        let kms = self.clone();
        let drawn = tokio::task::spawn_blocking(move || {
            let key = Secret::random(Algorithm::Aes256.key_len(), &SystemRandom)?;
            let pieces = write(&kms.state.read().catalogue, &key, out)?;
            Ok(DrawnImage(ImageRecord { revision, pieces, key }))
        });
        drawn.await.unwrap_or_else(|error| Err(Error::Unavailable(format!("the catalogue image: {error}").into())))
    }

    /// Has the next start read an image, which must be durable by now, unless the store changes before.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the store can't be written.
    pub async fn keep_image(&self, image: DrawnImage) -> Result<(), Error> {
        let changes = Changes { puts: vec![(image_name(), image.0.encode())], ..Changes::default() };
        match self.vault.commit(changes).await? {
            Outcome::Committed(_) => Ok(()),
            // Nothing was expected.
            Outcome::Conflict { .. } => {
                Err(Error::Unavailable("the record of the catalogue image was changed by another process".into()))
            }
        }
    }
}

/// The catalogue that an image shows; none if that is void or can't be used, and the store has to be read.
pub(crate) async fn catalogue(vault: &Vault, view: &View, image: Box<dyn Read + Send>) -> Option<Catalogue> {
    match read(vault, view, image).await {
        Ok(Some(catalogue)) => {
            tracing::info!("reading the catalogue from its image");
            Some(catalogue)
        }
        Ok(None) => {
            tracing::info!("ignoring the catalogue image: the store has changed since it was written");
            None
        }
        Err(error) => {
            tracing::warn!(%error, "can't use the catalogue image; reading every key's record");
            None
        }
    }
}

/// Reads an image; none if it is void.
async fn read(vault: &Vault, view: &View, image: Box<dyn Read + Send>) -> Result<Option<Catalogue>, Error> {
    let Some(record) = vault.get(&image_name()).await? else { return Ok(None) };
    let ImageRecord { revision, pieces, key } = ImageRecord::decode(&record.bytes)?;
    if record.revision != view.revision() || record.revision != Revision(revision.0 + 1) {
        return Ok(None);
    }
    let read = tokio::task::spawn_blocking(move || read_pieces(image, pieces, &key));
    read.await.unwrap_or_else(|_| Err(broken())).map(Some)
}

fn write(catalogue: &Catalogue, key: &Secret, mut out: impl Write) -> Result<u64, Error> {
    let failed = |error: io::Error| Error::Unavailable(format!("can't write the catalogue image: {error}").into());
    let cipher = CommittingAead::new(Algorithm::Aes256, key)?;
    let (mut number, mut sealed) = (0, Vec::new());
    for piece in catalogue.pieces() {
        sealed.clear();
        cipher.seal(&SystemRandom, &aad(number), &piece.encode()?, &mut sealed)?;
        let length = u32::try_from(sealed.len()).map_err(|_| broken())?;
        out.write_all(&length.to_be_bytes()).and_then(|()| out.write_all(&sealed)).map_err(failed)?;
        number += 1;
    }
    out.flush().map_err(failed)?;
    Ok(number)
}

/// Reads and opens pieces on one thread while another gathers what is in them.
fn read_pieces(mut image: impl Read + Send, pieces: u64, key: &Secret) -> Result<Catalogue, Error> {
    let cipher = CommittingAead::new(Algorithm::Aes256, key)?;
    let (sender, opened) = sync_channel(PIECES_AHEAD);
    thread::scope(|scope| {
        // It goes with this closure, however that ends, so that the other thread does not wait for ever to be rid of a piece.
        let opened = opened;
        scope.spawn(move || {
            let mut sealed = Vec::new();
            for number in 0..pieces {
                let piece = read_piece(&mut image, number, &cipher, &mut sealed);
                let failed = piece.is_err();
                if sender.send(piece).is_err() || failed {
                    return;
                }
            }
        });
        let mut gathering = Gathering::default();
        for _ in 0..pieces {
            opened.recv().map_err(|_| broken())??.gather(&mut gathering)?;
        }
        Ok(gathering.finish())
    })
}

fn read_piece(
    image: &mut impl Read,
    number: u64,
    cipher: &CommittingAead,
    sealed: &mut Vec<u8>,
) -> Result<Piece<'static>, Error> {
    let mut length = [0; 4];
    image.read_exact(&mut length).map_err(|_| broken())?;
    let length = Some(u32::from_be_bytes(length)).filter(|length| *length <= MAX_PIECE).ok_or_else(broken)?;
    sealed.clear();
    // Memory grows by what is there, not by what is said.
    let read = image.take(length.into()).read_to_end(sealed).map_err(|_| broken())?;
    if read != length as usize {
        return Err(broken());
    }
    Piece::decode(cipher.open(&aad(number), sealed).map_err(|_| broken())?.expose())
}

fn aad(number: u64) -> Vec<u8> {
    [&b"yaoku catalogue image v2\0"[..], &number.to_be_bytes()].concat()
}

fn broken() -> Error {
    Error::Record("a catalogue image")
}
