//! CRC-64/XZ, and the CRC of two stretches from the CRCs of each.
//!
//! Parts of an object are hashed as they come, in any order; the CRC of the whole is put together
//! from theirs without reading a byte again. The register is reflected: the polynomial's highest
//! power is its lowest bit, so `1 << 63` is one and `1 << 62` is `x`.

/// The polynomial of CRC-64/XZ (ECMA-182), reflected.
const POLYNOMIAL: u64 = 0xc96c_5795_d787_0f42;
const ONE: u64 = 1 << 63;
const X: u64 = 1 << 62;

/// The CRC of `first` followed by `len` bytes whose CRC is `second`.
pub(crate) fn combine(first: u64, second: u64, len: u64) -> u64 {
    times(power_of_x(u128::from(len) * 8), first) ^ second
}

/// The product modulo the polynomial.
fn times(one: u64, other: u64) -> u64 {
    let (mut product, mut shifted) = (0, other);
    for bit in (0..64).rev() {
        if one >> bit & 1 == 1 {
            product ^= shifted;
        }
        shifted = if shifted & 1 == 1 { shifted >> 1 ^ POLYNOMIAL } else { shifted >> 1 };
    }
    product
}

fn power_of_x(mut exponent: u128) -> u64 {
    let (mut result, mut square) = (ONE, X);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = times(square, result);
        }
        square = times(square, square);
        exponent >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crc(bytes: &[u8]) -> u64 {
        let mut digest = crc64fast::Digest::new();
        digest.write(bytes);
        digest.sum64()
    }

    #[test]
    fn the_check_value_of_the_catalogue_comes_out() {
        assert_eq!(crc(b"123456789"), 0x995d_c9bb_df19_39fa);
    }

    #[test]
    fn two_crcs_make_the_crc_of_both() {
        let bytes: Vec<u8> = (0..5000_u32).map(|at| (at * 7 % 251) as u8).collect();
        for cut in [0, 1, 9, 63, 64, 1000, 4999, 5000] {
            let (one, other) = bytes.split_at(cut);
            assert_eq!(combine(crc(one), crc(other), other.len() as u64), crc(&bytes), "{cut}");
        }
    }
}
