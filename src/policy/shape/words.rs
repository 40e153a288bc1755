//! Which known word an author may have meant.

/// No longer word is compared: the comparison costs the square of the length.
const COMPARED_BYTES_MAX: usize = 64;
/// No more are listed where none is near.
const LISTED_MAX: usize = 16;

/// The known word that is near enough to be meant.
pub(crate) fn nearest<'w>(text: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    if text.len() > COMPARED_BYTES_MAX {
        return None;
    }
    let near = |word: &&str| strsim::osa_distance(text, word) <= 1 + word.len().min(text.len()) / 4;
    let begins = |word: &str| word.len() > 3 && text.len() > 3 && (word.starts_with(text) || text.starts_with(word));
    let words = words.into_iter().filter(|word| word.len() <= COMPARED_BYTES_MAX);
    words.filter(|word| near(word) || begins(word)).min_by_key(|word| strsim::osa_distance(text, word))
}

/// A hint: the word that was meant, or all there are.
pub(crate) fn did_you_mean(text: &str, words: &[&str]) -> String {
    if let Some(word) = nearest(text, words.iter().copied()) {
        return format!("did you mean `{word}`?");
    }
    if words.is_empty() {
        return "there are none here".to_owned();
    }
    let listed: Vec<String> = words.iter().take(LISTED_MAX).map(|word| format!("`{word}`")).collect();
    let more = if words.len() > LISTED_MAX { ", …" } else { "" };
    format!("there are {}{more}", listed.join(", "))
}

/// Whether a word is likely to stand before a secret.
pub(crate) fn sounds_secret(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    let whole = ["pin", "key", "auth", "pwd", "jwt", "apikey", "cookie"];
    let parts = ["pass", "secret", "token", "credential", "private", "authorization", "api-key", "api_key"];
    whole.contains(&word.as_str())
        || parts.iter().any(|part| word.contains(part))
        || nearest(&word, ["password", "secret", "token"]).is_some()
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;
    use super::nearest;
    use super::sounds_secret;

    #[test]
    fn finds_the_word_that_was_meant() {
        let words = ["rotate_every", "retire", "grace", "seals"];
        assert_eq!(nearest("rotate_evry", words), Some("rotate_every"));
        assert_eq!(nearest("rotate", words), Some("rotate_every"));
        assert_eq!(nearest("seal", words), Some("seals"));
        assert_eq!(nearest("colour", words), None);
        assert_eq!(nearest(&"x".repeat(10_000), words), None);
        assert_eq!(did_you_mean("colour", &words), "there are `rotate_every`, `retire`, `grace`, `seals`");
    }

    #[test]
    fn hears_secrets() {
        assert!(
            ["token", "tokn", "pasword", "PIN", "DB_PASSWORD", "client_secret", "Authorization"]
                .into_iter()
                .all(sounds_secret)
        );
        assert!(!["path", "monkey", "within"].into_iter().any(sounds_secret));
    }
}
