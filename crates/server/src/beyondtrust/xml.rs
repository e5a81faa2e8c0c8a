//! XML documents as in BeyondTrust's API.

use quick_xml::{
    Writer,
    events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event, attributes::Attribute},
    name::QName,
};

/// An element with its attributes, and text or children.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Element>,
}

/// An empty element.
pub fn element(name: &str) -> Element {
    Element { name: name.to_owned(), ..Element::default() }
}

/// An element with a text.
pub fn text(name: &str, text: impl ToString) -> Element {
    Element { text: legal(&text.to_string()), ..element(name) }
}

impl Element {
    /// With an attribute.
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.attributes.push((name.to_owned(), legal(&value.to_string())));
        self
    }

    /// With one more child.
    pub fn child(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    /// With more children.
    pub fn children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }

    fn write(&self, writer: &mut Writer<Vec<u8>>) -> std::io::Result<()> {
        let attributes = self
            .attributes
            .iter()
            .map(|(name, value)| Attribute { key: QName(name), value: escape(value, Place::Attribute).into() });
        let start = BytesStart::new(self.name.as_str()).with_attributes(attributes);
        if self.text.is_empty() && self.children.is_empty() {
            return writer.write_event(Event::Empty(start));
        }
        writer.write_event(Event::Start(start))?;
        if !self.text.is_empty() {
            writer.write_event(Event::Text(BytesText::from_escaped(escape(&self.text, Place::Text))))?;
        }
        self.children.iter().try_for_each(|child| child.write(writer))?;
        writer.write_event(Event::End(BytesEnd::new(self.name.as_str())))
    }

    /// The whole document: the declaration, an empty line, and this element as the root, in that namespace.
    pub fn document(self, namespace: &str) -> String {
        let mut root = self;
        root.attributes.insert(0, ("xmlns".into(), namespace.to_owned()));
        let mut writer = Writer::new(Vec::new());
        let declared = writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
        writer.get_mut().extend(b"\n\n");
        let written = declared.and_then(|()| root.write(&mut writer));
        written.expect("writing to memory cannot fail");
        writer.get_mut().push(b'\n');
        String::from_utf8(writer.into_inner()).expect("the document is UTF-8")
    }
}

/// Whether XML 1.0 (2.2, Char) can represent this text.
pub fn fits(text: &str) -> bool {
    text.chars().all(char_fits)
}

fn char_fits(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// The text with replacements for characters that XML cannot represent.
fn legal(text: &str) -> String {
    text.chars().map(|c| if char_fits(c) { c } else { '\u{fffd}' }).collect()
}

/// The context of a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    Attribute,
}

/// Escapes a text so that readers get it unchanged: parsers turn a carriage return into a line feed and, in an
/// attribute, any white space into a blank (XML 1.0, 2.11 and 3.3.3).
fn escape(text: &str, place: Place) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            '\r' => safe.push_str("&#13;"),
            '\n' if place == Place::Attribute => safe.push_str("&#10;"),
            '\t' if place == Place::Attribute => safe.push_str("&#9;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_looks_like_recorded_ones() {
        let root = element("list").child(text("a", "1 < 2 & \"3\"").with("id", "x\"<")).child(element("b"));
        assert_eq!(
            root.document("http://n"),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\n<list xmlns=\"http://n\"><a id=\"x&quot;&lt;\">1 &lt; 2 &amp; &quot;3&quot;</a><b/></list>\n"
        );
    }

    #[test]
    fn line_ends_are_read_as_they_were_written() {
        let root = element("r").child(text("a", "x\r\ny\tz").with("b", "x\r\n\ty"));
        let document = root.document("n");
        assert!(document.contains("<a b=\"x&#13;&#10;&#9;y\">x&#13;\ny\tz</a>"), "{document}");
    }

    #[test]
    fn no_text_breaks_a_document() {
        let all: String = (0..0x1000u32).filter_map(char::from_u32).chain("\u{fffe}\u{ffff}😀".chars()).collect();
        assert!(!fits(&all));
        let document = element("r").child(text("a", &all).with("b", &all)).document("n");
        let mut reader = quick_xml::Reader::from_str(&document);
        loop {
            match reader.read_event() {
                Ok(Event::Eof) => break,
                Ok(_) => {}
                Err(e) => panic!("{e}"),
            }
        }
    }
}
