//! The fixed-width types of rows, each with its ordered bytes (keys) and its stored bytes (values).

/// The one NaN that is ever stored; it sorts above every number.
const NAN_BITS: u64 = 0x7ff8_0000_0000_0000;

/// The one representation of a float that equals others: `-0.0` is `0.0` and every NaN is the same NaN.
pub fn canonical_f64(value: f64) -> f64 {
    if value.is_nan() { f64::from_bits(NAN_BITS) } else { value + 0.0 }
}

/// A value of fixed width.
pub(super) trait Native: Copy + Default {
    /// Its bytes, as many as the type is wide.
    type Bytes: AsRef<[u8]>;
    const WIDTH: usize = size_of::<Self::Bytes>();

    /// Bytes whose order is the order of values.
    fn ordered(self) -> Self::Bytes;
    /// The reverse of `ordered`; `bytes` are `WIDTH` long.
    fn from_ordered(bytes: &[u8]) -> Self;
    /// Little-endian bytes.
    fn stored(self) -> Self::Bytes;
    /// The reverse of `stored`; `bytes` are `WIDTH` long.
    fn from_stored(bytes: &[u8]) -> Self;
}

macro_rules! native_integer {
    ($integer:ty) => {
        impl Native for $integer {
            type Bytes = [u8; size_of::<$integer>()];

            fn ordered(self) -> Self::Bytes {
                (self ^ <$integer>::MIN).to_be_bytes()
            }

            fn from_ordered(bytes: &[u8]) -> Self {
                <$integer>::from_be_bytes(bytes.try_into().expect("as wide as the type")) ^ <$integer>::MIN
            }

            fn stored(self) -> Self::Bytes {
                self.to_le_bytes()
            }

            fn from_stored(bytes: &[u8]) -> Self {
                <$integer>::from_le_bytes(bytes.try_into().expect("as wide as the type"))
            }
        }
    };
}

native_integer!(i32);
native_integer!(i64);
native_integer!(i128);

impl Native for f64 {
    type Bytes = [u8; 8];

    fn ordered(self) -> Self::Bytes {
        let bits = canonical_f64(self).to_bits();
        // Negative numbers are mirrored so that the larger magnitude comes first.
        let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
        ordered.to_be_bytes()
    }

    fn from_ordered(bytes: &[u8]) -> Self {
        let ordered = u64::from_be_bytes(bytes.try_into().expect("as wide as the type"));
        f64::from_bits(if ordered >> 63 == 1 { ordered & !(1 << 63) } else { !ordered })
    }

    fn stored(self) -> Self::Bytes {
        canonical_f64(self).to_bits().to_le_bytes()
    }

    fn from_stored(bytes: &[u8]) -> Self {
        f64::from_bits(u64::from_le_bytes(bytes.try_into().expect("as wide as the type")))
    }
}

impl Native for bool {
    type Bytes = [u8; 1];

    fn ordered(self) -> Self::Bytes {
        [self as u8]
    }

    fn from_ordered(bytes: &[u8]) -> Self {
        bytes[0] != 0
    }

    fn stored(self) -> Self::Bytes {
        [self as u8]
    }

    fn from_stored(bytes: &[u8]) -> Self {
        bytes[0] != 0
    }
}
