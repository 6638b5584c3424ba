//! What is saved leaves out what is as it began: of thousands of logs most have nothing unusual about them.

/// Whether a value is the one that it is when nothing is saved of it.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
