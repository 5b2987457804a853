//! Wide integers as limbs of 64 bits, lowest first, in two's complement.

use crate::row::varint;

const LIMB_BYTES: usize = 8;
/// Limbs of the widest accumulator.
const LIMBS_MAX: usize = 67;

/// Whether the number is below zero.
pub(super) fn negative(limbs: &[u64]) -> bool {
    limbs.last().is_some_and(|last| last >> 63 == 1)
}

/// Adds `term`, shorter or as long, and carries on as far as it goes.
pub(super) fn add(limbs: &mut [u64], term: &[u64]) {
    let mut carry = false;
    for (limb, &more) in limbs.iter_mut().zip(term) {
        (*limb, carry) = limb.carrying_add(more, carry);
    }
    for limb in &mut limbs[term.len()..] {
        if !carry {
            return;
        }
        (*limb, carry) = limb.overflowing_add(1);
    }
}

/// Subtracts `term`, shorter or as long, and borrows as far as it goes.
pub(super) fn subtract(limbs: &mut [u64], term: &[u64]) {
    let mut borrow = false;
    for (limb, &less) in limbs.iter_mut().zip(term) {
        (*limb, borrow) = limb.borrowing_sub(less, borrow);
    }
    for limb in &mut limbs[term.len()..] {
        if !borrow {
            return;
        }
        (*limb, borrow) = limb.overflowing_sub(1);
    }
}

/// The product of two numbers that are not negative; as long as both together.
pub(super) fn product(left: &[u64], right: &[u64]) -> Vec<u64> {
    let mut product = vec![0; left.len() + right.len()];
    for (place, &one) in left.iter().enumerate().filter(|(_, one)| **one != 0) {
        let mut carry = 0_u64;
        for (limb, &other) in product[place..].iter_mut().zip(right) {
            let sum = u128::from(one) * u128::from(other) + u128::from(*limb) + u128::from(carry);
            (*limb, carry) = (sum as u64, (sum >> 64) as u64);
        }
        product[place + right.len()] = carry;
    }
    product
}

/// Divides a number that is not negative; whether something remains.
pub(super) fn divide(limbs: &mut [u64], divisor: u64) -> bool {
    let mut remainder = 0_u64;
    for limb in limbs.iter_mut().rev() {
        let dividend = (u128::from(remainder) << 64) | u128::from(*limb);
        *limb = (dividend / u128::from(divisor)) as u64;
        remainder = (dividend % u128::from(divisor)) as u64;
    }
    remainder != 0
}

/// Appends the number and a flag; equal numbers are equal bytes, and few where they are far from the width's ends.
///
/// ```text
/// (bytes << 1 | flag) varint | if bytes: place of the first byte varint, bytes (lowest first, neither end superfluous)
/// ```
pub(super) fn write(limbs: &[u64], flag: bool, out: &mut Vec<u8>) {
    let sign = if negative(limbs) { u64::MAX } else { 0 };
    let first = limbs.iter().position(|&limb| limb != 0).unwrap_or(limbs.len());
    let end = limbs.iter().rposition(|&limb| limb != sign).map_or(0, |last| last + 1).max(first);
    let mut bytes = [0; (LIMBS_MAX + 1) * LIMB_BYTES];
    for (limb, bytes) in limbs[first..end].iter().zip(bytes.chunks_exact_mut(LIMB_BYTES)) {
        bytes.copy_from_slice(&limb.to_le_bytes());
    }
    // Limbs that are all sign were left out, but one of them may be needed to tell it.
    let len = (end - first) * LIMB_BYTES;
    bytes[len..len + LIMB_BYTES].fill(sign as u8);
    let skipped = bytes[..len].iter().position(|&byte| byte != 0).unwrap_or(len);
    let bytes = &bytes[skipped..len + LIMB_BYTES];
    let mut len = bytes.iter().rposition(|&byte| byte != sign as u8).map_or(0, |last| last + 1);
    if first < limbs.len() && (len == 0 || bytes[len - 1] >> 7 != (sign as u8) >> 7) {
        len += 1;
    }
    varint::write_unsigned((len as u64) << 1 | u64::from(flag), out);
    if len > 0 {
        varint::write_unsigned((first * LIMB_BYTES + skipped) as u64, out);
        out.extend_from_slice(&bytes[..len]);
    }
}

/// Takes a number off the front of `bytes` into `limbs`, which are zero. Returns its flag; `None` where there is none as
/// [`write`] writes it.
pub(super) fn read(bytes: &mut &[u8], limbs: &mut [u64]) -> Option<bool> {
    let head = varint::read_unsigned(bytes)?;
    let len = usize::try_from(head >> 1).ok()?;
    if len > 0 {
        let start = usize::try_from(varint::read_unsigned(bytes)?).ok()?;
        let (digits, rest) = bytes.split_at_checked(len)?;
        let width = limbs.len() * LIMB_BYTES;
        if start.checked_add(len)? > width {
            return None;
        }
        *bytes = rest;
        let sign = if digits[len - 1] >> 7 == 1 { 0xff } else { 0 };
        let superfluous = len > 1 && digits[len - 1] == sign && digits[len - 2] >> 7 == sign >> 7;
        if digits[0] == 0 || superfluous {
            return None;
        }
        let mut all = [0; LIMBS_MAX * LIMB_BYTES];
        all[start..start + len].copy_from_slice(digits);
        all[start + len..].fill(sign);
        for (limb, bytes) in limbs.iter_mut().zip(all.chunks_exact(LIMB_BYTES)) {
            *limb = u64::from_le_bytes(bytes.try_into().expect("as wide as a limb"));
        }
    }
    Some(head & 1 == 1)
}
