//! Placeholder until the configuration branch is merged.
pub struct Section<'a>(std::marker::PhantomData<&'a ()>);
#[derive(Debug)]
pub struct ConfigError;
