/**
 * What is told of a text that is not YAML?
 *
 * The parser's own messages quote the text, and the text may hold keys, so each of its codes has a sentence here.
 */
import type { ErrorCode } from "yaml";

export const YAML_SENTENCES: Readonly<Record<ErrorCode, string>> = {
  ALIAS_PROPS: "an alias takes neither anchor nor tag; take them off",
  BAD_ALIAS: "the alias or anchor is not well formed; put the text in quotes if none is meant",
  BAD_COLLECTION_TYPE: "the tag does not fit its value; take the tag off",
  BAD_DIRECTIVE: "the directive is not understood; take the line that begins with % out",
  BAD_DQ_ESCAPE: "a backslash begins no known escape here; write \\\\ for a backslash, or use single quotes",
  BAD_INDENT: "the indentation does not fit; indent with spaces, as far as the lines it belongs with",
  BAD_PROP_ORDER: "an anchor or tag stands in the wrong place; put it before its value",
  BAD_SCALAR_START: "a plain text cannot begin with this character; put the text in quotes",
  BLOCK_AS_IMPLICIT_KEY: "a key and its value do not fit on this line; begin nested fields on a line of their own",
  BLOCK_IN_FLOW: "inside { } or [ ] lists and fields are separated by commas; write them so, or close the bracket",
  DUPLICATE_KEY: "the field is written twice; keep one of them",
  IMPOSSIBLE: "the text cannot be read here; look at brackets, quotes and indentation",
  KEY_OVER_1024_CHARS: "the name of the field is longer than 1024 characters; shorten it",
  MISSING_CHAR: "a closing quote, a bracket, a comma or a colon is missing; add it",
  MULTILINE_IMPLICIT_KEY: "the name of a field runs over several lines; a quote or a colon is missing",
  MULTIPLE_ANCHORS: "a value has two anchors; keep one of them",
  MULTIPLE_DOCS: "a second document begins here; this file may hold only one",
  MULTIPLE_TAGS: "a value has two tags; keep one of them",
  NON_STRING_KEY: "the name of a field must be a text; put it in quotes",
  RESOURCE_EXHAUSTION: "the text is nested too deeply; make it flatter",
  TAB_AS_INDENT: "a tab indents this line; use spaces",
  TAG_RESOLVE_FAILED: "the tag is not known; take it off, or put the text in quotes",
  UNEXPECTED_TOKEN: "something unexpected stands here; look at brackets, quotes and indentation",
};
