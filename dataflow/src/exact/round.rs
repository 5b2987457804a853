//! The float nearest to a quotient of integers, rounded once.

/// Bits of a float's significand, the hidden one included.
const SIGNIFICAND_BITS: i32 = 53;
/// The exponent of the smallest subnormal.
const EXPONENT_MIN: i32 = -1074;
/// The exponent field of infinity.
const EXPONENT_FIELD_INFINITE: u64 = 0x7ff;

/// The float nearest to `magnitude * 2^exponent / divisor`, negated where asked; ties go to the even one, what rounds to zero
/// is `0.0`, what is too large is infinite. `magnitude` has its lowest 64 bits first; `divisor` is not 0.
pub(super) fn nearest(negative: bool, magnitude: &[u64], exponent: i32, divisor: u64) -> f64 {
    let Some(top) = magnitude.iter().rposition(|&limb| limb != 0) else { return 0.0 };
    let below = |place: i32| magnitude[..place.max(0) as usize].iter().any(|&limb| limb != 0);
    let (mut quotient, mut remainder) = (0u128, 0u64);
    let mut place = top as i32;
    // Long division from the top, past the point where need be, until the digits outnumber a significand or come out even.
    loop {
        let limb = if place >= 0 { magnitude[place as usize] } else { 0 };
        let dividend = (u128::from(remainder) << 64) | u128::from(limb);
        quotient = (quotient << 64) | (dividend / u128::from(divisor));
        remainder = (dividend % u128::from(divisor)) as u64;
        let inexact = remainder != 0 || below(place);
        if quotient >> 64 != 0 || !inexact {
            let nearest = compose(quotient, exponent + 64 * place, inexact);
            return if negative && nearest != 0.0 { -nearest } else { nearest };
        }
        place -= 1;
    }
}

/// The float nearest to `number * 2^exponent`, and a bit more where `inexact`, which needs a number of more than 64 bits.
fn compose(number: u128, exponent: i32, inexact: bool) -> f64 {
    if number == 0 {
        return 0.0;
    }
    let bits = 128 - number.leading_zeros() as i32;
    let unit = (exponent + bits - SIGNIFICAND_BITS).max(EXPONENT_MIN);
    let shift = unit - exponent;
    let significand = match shift {
        ..=0 => (number << -shift) as u64,
        1..=127 => {
            let (whole, fraction, half) = (number >> shift, number & ((1 << shift) - 1), 1 << (shift - 1));
            let up = fraction > half || fraction == half && (inexact || whole & 1 == 1);
            whole as u64 + u64::from(up)
        }
        // At a shift of 128 the number can be more than half a unit; beyond, it never is.
        128 => u64::from(number > 1 << 127 || number == 1 << 127 && inexact),
        _ => 0,
    };
    // A significand without its hidden bit is subnormal and one that was rounded up to the next power carries: in both
    // cases adding gives the right exponent.
    let bits = ((unit - EXPONENT_MIN) as u64) << (SIGNIFICAND_BITS - 1);
    f64::from_bits((bits + significand).min(EXPONENT_FIELD_INFINITE << (SIGNIFICAND_BITS - 1)))
}
