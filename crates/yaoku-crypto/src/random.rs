use crate::Error;
pub trait Random: Send + Sync {
    fn fill(&self, out: &mut [u8]) -> Result<(), Error>;
}
pub struct SystemRandom;
impl Random for SystemRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), Error> {
        aws_lc_rs::rand::fill(out).map_err(|_| Error::Random)
    }
}
