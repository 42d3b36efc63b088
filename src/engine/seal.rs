//! Values in the databases that neither the chain nor a fold proves: they say by themselves whether they are damaged.

use crate::Error;

/// A value that nothing else proves, with 8 bytes of check before it.
pub(crate) fn seal(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut sealed = check_of(key, value).to_vec();
    sealed.extend_from_slice(value);
    sealed
}

pub(crate) fn unseal(key: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Error> {
    match sealed.split_first_chunk::<8>() {
        Some((check, value)) if *check == check_of(key, value) => Ok(value.to_vec()),
        _ => {
            let name = String::from_utf8_lossy(key);
            Err(Error::read(format!("the row `{}` is damaged", name.escape_debug())))
        }
    }
}

fn check_of(key: &[u8], value: &[u8]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(key).update(&[0]).update(value);
    *hasher.finalize().as_bytes().first_chunk().expect("a hash has 32 bytes")
}
