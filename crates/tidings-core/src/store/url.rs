//! Where a database is, with a password in it that nobody sees by accident.

use std::fmt;

use serde::Deserialize;

/// The URL of a store. Shown with `{}` or `{:?}` it has `***` where the password is; only
/// [`expose`](Self::expose) gives all of it.
///
/// ```
/// use tidings_core::store::StoreUrl;
///
/// let url = StoreUrl::from("postgres://shop:s3cret@db.internal/shop?sslpassword=alike");
/// assert_eq!(url.to_string(), "postgres://shop:***@db.internal/shop?sslpassword=***");
/// assert_eq!(format!("{url:?}"), "postgres://shop:***@db.internal/shop?sslpassword=***");
/// assert!(url.expose().contains("s3cret"));
/// ```
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct StoreUrl(String);

impl StoreUrl {
    /// All of it, for the driver. Not for logs and errors.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Nothing was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What stands before the first colon, if that can be a scheme.
    #[must_use]
    pub fn scheme(&self) -> Option<&str> {
        let (scheme, _) = self.0.split_once(':')?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
        is_scheme.then_some(scheme)
    }
}

impl From<&str> for StoreUrl {
    fn from(url: &str) -> Self {
        Self(url.to_owned())
    }
}

impl From<String> for StoreUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is no URL may be anything, a list of `password=...` for example.
        let Some((scheme, rest)) = self.scheme().zip(self.0.split_once(':').map(|(_, rest)| rest)) else {
            return f.write_str(if self.0.is_empty() { "" } else { "***" });
        };
        let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
        write!(f, "{scheme}:")?;
        // The last one: a password may hold another, though it should be written `%40`.
        match place.rsplit_once('@') {
            None => f.write_str(place)?,
            Some((who, place)) => {
                let slashes = if who.starts_with("//") { "//" } else { "" };
                let user = who.trim_start_matches('/').split_once(':').map(|(user, _)| user);
                match user {
                    Some(user) => write!(f, "{slashes}{user}:***@{place}")?,
                    None => write!(f, "{who}@{place}")?,
                }
            }
        }
        for (number, setting) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
            let between = if number == 0 { '?' } else { '&' };
            match setting.split_once('=') {
                Some((name, _)) if name.to_ascii_lowercase().contains("pass") => {
                    write!(f, "{between}{name}=***")?;
                }
                _ => write!(f, "{between}{setting}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::StoreUrl;

    #[test]
    fn a_password_is_never_shown() {
        for (url, shown) in [
            ("postgres://u:s3cret@h:5432/d", "postgres://u:***@h:5432/d"),
            ("postgres://u@h/d", "postgres://u@h/d"),
            (
                "postgres://h/d?user=u&password=s3cret&sslmode=require",
                "postgres://h/d?user=u&password=***&sslmode=require",
            ),
            ("postgres://u:s3cret@s3cret@h/d", "postgres://u:***@h/d"),
            ("postgres://u:s3/cret@h/d", "postgres://u:***@h/d"),
            ("postgres:u:s3cret@h/d", "postgres:u:***@h/d"),
            ("postgres//u:s3cret@h", "***"),
            ("host=h password=s3cret", "***"),
            ("sqlite:shop.db", "sqlite:shop.db"),
            ("", ""),
        ] {
            let url = StoreUrl::from(url);
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?}{url}").contains("cret"), "{url}");
        }
    }
}
