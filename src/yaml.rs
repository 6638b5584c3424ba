//! YAML with line numbers: a document is walked section by section, and every mistake in it is collected,
//! not only the first. Parsing itself is the `saphyr` crate's.

use std::fmt;
use std::path::Path;

use saphyr::{LoadableYamlNode, MarkedYamlOwned, ScalarOwned, YamlDataOwned};

/// One mistake in a document: where it is, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Line in the document, counted from 1.
    pub line: usize,
    /// The key path of the value, such as `catalogue[2].condition`; empty for the document as a whole.
    pub key: String,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "line {}: {}", self.line, self.what)
        } else {
            write!(f, "line {}: {}: {}", self.line, self.key, self.what)
        }
    }
}

/// The mistakes found so far.
#[derive(Debug, Default)]
pub struct Mistakes(pub Vec<Mistake>);

impl Mistakes {
    /// Notes a mistake at `node`.
    pub fn add(&mut self, node: &Node<'_>, what: impl Into<String>) {
        self.0.push(Mistake { line: node.line(), key: node.key.clone(), what: what.into() });
    }
}

/// A parsed document.
pub struct Document(Option<MarkedYamlOwned>);

impl Document {
    /// Parses `text`, which must hold at most one document.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        let mut documents = MarkedYamlOwned::load_from_str(text).map_err(|e| Mistake {
            line: e.marker().line(),
            key: String::new(),
            what: e.info().to_string(),
        })?;
        if documents.len() > 1 {
            return Err(Mistake {
                line: documents[1].span.start.line(),
                key: String::new(),
                what: "a second document; the file must hold one".to_string(),
            });
        }
        Ok(Self(documents.pop()))
    }

    /// The top node; `None` for an empty document.
    pub fn root(&self) -> Option<Node<'_>> {
        let node = self.0.as_ref()?;
        let empty = matches!(node.data, YamlDataOwned::Value(ScalarOwned::Null));
        (!empty).then(|| Node { node, key: String::new() })
    }
}

/// Mistakes of the file at `path`, one a line.
pub fn listed(path: &Path, mistakes: &[Mistake]) -> String {
    let lines: Vec<String> = mistakes.iter().map(|m| format!("{}: {m}", path.display())).collect();
    lines.join("\n")
}

/// Reads a value from `text` by walking it from its top; an empty document is the default. All mistakes are told, by line.
pub fn read<T: Default>(
    text: &str,
    walk: impl FnOnce(&Node<'_>, &mut Mistakes) -> Option<T>,
) -> Result<T, Vec<Mistake>> {
    let document = Document::parse(text).map_err(|m| vec![m])?;
    let mut mistakes = Mistakes::default();
    let value = document.root().map_or_else(|| Some(T::default()), |root| walk(&root, &mut mistakes));
    match value {
        Some(value) if mistakes.0.is_empty() => Ok(value),
        _ => {
            mistakes.0.sort_by_key(|m| m.line);
            Err(mistakes.0)
        }
    }
}

/// A value in a document, with its key path.
pub struct Node<'a> {
    node: &'a MarkedYamlOwned,
    key: String,
}

impl<'a> Node<'a> {
    /// Line of the value, counted from 1.
    pub fn line(&self) -> usize {
        self.node.span.start.line()
    }

    /// Whether the key stands there without a value.
    pub fn is_null(&self) -> bool {
        matches!(self.node.data, YamlDataOwned::Value(ScalarOwned::Null))
    }

    /// The value as a text; numbers and booleans are taken as they were resolved.
    pub fn text(&self, mistakes: &mut Mistakes) -> Option<String> {
        match &self.node.data {
            YamlDataOwned::Value(ScalarOwned::String(s)) => Some(s.clone()),
            YamlDataOwned::Value(ScalarOwned::Integer(i)) => Some(i.to_string()),
            YamlDataOwned::Value(ScalarOwned::Boolean(b)) => Some(b.to_string()),
            _ => self.refuse(mistakes, "a text"),
        }
    }

    /// The value as a whole number of at least `least`.
    pub fn number(&self, least: u64, mistakes: &mut Mistakes) -> Option<u64> {
        match &self.node.data {
            YamlDataOwned::Value(ScalarOwned::Integer(i)) => match u64::try_from(*i) {
                Ok(n) if n >= least => Some(n),
                _ => self.refuse(mistakes, &format!("a whole number of at least {least}")),
            },
            _ => self.refuse(mistakes, &format!("a whole number of at least {least}")),
        }
    }

    /// The value as `true` or `false`.
    pub fn boolean(&self, mistakes: &mut Mistakes) -> Option<bool> {
        match &self.node.data {
            YamlDataOwned::Value(ScalarOwned::Boolean(b)) => Some(*b),
            _ => self.refuse(mistakes, "true or false"),
        }
    }

    /// The items of a list.
    pub fn list(&self, mistakes: &mut Mistakes) -> Vec<Node<'a>> {
        let YamlDataOwned::Sequence(items) = &self.node.data else {
            return self.refuse::<()>(mistakes, "a list").map_or_else(Vec::new, |()| Vec::new());
        };
        let item = |(i, node)| Node { node, key: format!("{}[{i}]", self.key) };
        items.iter().enumerate().map(item).collect()
    }

    /// The texts of a list.
    pub fn texts(&self, mistakes: &mut Mistakes) -> Vec<String> {
        self.list(mistakes).iter().filter_map(|n| n.text(mistakes)).collect()
    }

    /// The values of a section whose keys are free names. A name that reads like a number is refused: as a number, `007` is `7`.
    pub fn named(&self, mistakes: &mut Mistakes) -> Vec<(String, Node<'a>)> {
        let YamlDataOwned::Mapping(map) = &self.node.data else {
            return self
                .refuse::<()>(mistakes, "a section of `name: value` lines")
                .map_or_else(Vec::new, |()| Vec::new());
        };
        let mut values = Vec::with_capacity(map.len());
        for (key, node) in map {
            if let YamlDataOwned::Value(ScalarOwned::String(name)) = &key.data {
                values.push((name.clone(), Node { node, key: format!("{}.{name}", self.key) }));
            } else {
                Node { node: key, key: self.key.clone() }.refuse::<()>(mistakes, "a name; put it in quotes");
            }
        }
        values
    }

    /// The value as a section of known keys.
    pub fn section(&self, mistakes: &mut Mistakes) -> Option<Section<'a>> {
        let YamlDataOwned::Mapping(map) = &self.node.data else {
            return self.refuse(mistakes, "a section of `key: value` lines");
        };
        let mut entries = Vec::with_capacity(map.len());
        for (key, node) in map {
            let name = Node { node: key, key: self.key.clone() }.text(mistakes)?;
            let key_line = key.span.start.line();
            let path = if self.key.is_empty() { name.clone() } else { format!("{}.{name}", self.key) };
            entries.push(Entry { name, key_line, node: Node { node, key: path } });
        }
        Some(Section { line: self.line(), key: self.key.clone(), entries })
    }

    fn refuse<T>(&self, mistakes: &mut Mistakes, wanted: &str) -> Option<T> {
        mistakes.add(self, format!("must be {wanted}"));
        None
    }
}

struct Entry<'a> {
    name: String,
    key_line: usize,
    node: Node<'a>,
}

/// A mapping whose keys are taken one after the other; what is left at the end is unknown.
pub struct Section<'a> {
    line: usize,
    key: String,
    entries: Vec<Entry<'a>>,
}

impl<'a> Section<'a> {
    /// Whether nothing is left to be taken.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes a key that may be missing.
    pub fn take(&mut self, name: &str) -> Option<Node<'a>> {
        let at = self.entries.iter().position(|e| e.name == name)?;
        Some(self.entries.remove(at).node)
    }

    /// Takes a key that may be missing or stand there without a value.
    pub fn take_set(&mut self, name: &str) -> Option<Node<'a>> {
        self.take(name).filter(|node| !node.is_null())
    }

    /// Takes a key that must be there.
    pub fn need(&mut self, name: &str, mistakes: &mut Mistakes) -> Option<Node<'a>> {
        let found = self.take(name);
        if found.is_none() {
            mistakes.0.push(Mistake { line: self.line, key: self.key.clone(), what: format!("`{name}` is missing") });
        }
        found
    }

    /// All keys that are left, for sections whose keys are free names.
    pub fn rest(self) -> Vec<(String, Node<'a>)> {
        self.entries.into_iter().map(|e| (e.name, e.node)).collect()
    }

    /// Ends the section: every key that was not taken is a mistake.
    pub fn finish(self, known: &[&str], mistakes: &mut Mistakes) {
        for entry in self.entries {
            mistakes.0.push(Mistake {
                line: entry.key_line,
                key: entry.node.key,
                what: format!("unknown key; known here: {}", known.join(", ")),
            });
        }
    }
}
