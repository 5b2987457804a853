//! Without a build script Cargo leaves build dependencies, and so their features, out.

fn main() {}
