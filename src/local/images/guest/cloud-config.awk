# Turns the supported part of a cloud-config into a shell script: hostname, ssh_authorized_keys, write_files, runcmd.
# Block style with consistent indentation, as cloud-init's own examples are written; [a, b] lists in runcmd.
function quote(s) { gsub(/\047/, "\047\\\047\047", s); return "\047" s "\047" }
function scalar(s) {
  sub(/^[ \t]+/, "", s); sub(/[ \t]+$/, "", s)
  if (s ~ /^".*"$/) { s = substr(s, 2, length(s) - 2); gsub(/\\"/, "\"", s); gsub(/\\n/, "\n", s); gsub(/\\\\/, "\\", s); return s }
  if (s ~ /^\047.*\047$/) { s = substr(s, 2, length(s) - 2); gsub(/\047\047/, "\047", s); return s }
  sub(/[ \t]+#.*$/, "", s)
  return s
}
function complain(what) { print "echo " quote("yadokari: " what " in cloud-config is not supported by this small guest") }
function indentation(s) { match(s, /^ */); return RLENGTH }
function endBlock() {
  if (!inBlock) return
  inBlock = 0
  sub(/\n+$/, "", block)
  if (chomp != "-") block = block "\n"
  field(blockKey, block)
}
function field(key, value) {
  if (section == "runcmd") commands = commands value "\n"
  else if (section == "write_files") file[key] = value
}
function endFile() {
  if (!("path" in file)) { delete file; return }
  if (file["encoding"] != "" && file["encoding"] != "text/plain" && file["encoding"] !~ /^(b64|base64)$/) complain("encoding " file["encoding"])
  print "mkdir -p \"$(dirname " quote(file["path"]) ")\""
  decode = file["encoding"] ~ /^(b64|base64)$/ ? " | base64 -d" : ""
  print "printf %s " quote(file["content"]) decode (file["append"] == "true" ? " >> " : " > ") quote(file["path"])
  if (file["permissions"] != "") print "chmod " quote(file["permissions"]) " " quote(file["path"])
  if (file["owner"] != "" && file["owner"] !~ /^root/) print "chown " quote(file["owner"]) " " quote(file["path"])
  delete file
}
function endSection() { endBlock(); if (section == "write_files") endFile(); section = "" }
function pair(text,   key, value) {
  key = text; sub(/:.*/, "", key)
  value = text; sub(/^[^:]*: */, "", value)
  if (value == text) value = ""
  if (value ~ /^[|>][-+]?[ \t]*$/) { startBlock(key, value); return }
  field(key, scalar(value))
}
function startBlock(key, mark) { inBlock = 1; blockKey = key; block = ""; chomp = mark ~ /-/ ? "-" : ""; folded = mark ~ /^>/; base = -1; parent = level }
function words(s,   out, item) {
  sub(/^\[ */, "", s); sub(/ *\]$/, "", s)
  out = ""
  while (s != "") {
    if (match(s, /^"([^"\\]|\\.)*"/) || match(s, /^\047[^\047]*\047/) || match(s, /^[^,]*/)) { item = substr(s, 1, RLENGTH); s = substr(s, RLENGTH + 1) }
    out = out (out == "" ? "" : " ") quote(scalar(item))
    sub(/^ *, */, "", s)
  }
  return out
}
BEGIN { print "#!/bin/sh"; commands = ""; section = ""; inBlock = 0 }
{ sub(/\r$/, "") }
inBlock {
  if ($0 ~ /^[ \t]*$/) { block = block "\n"; next }
  depth = indentation($0)
  if (base < 0 && depth > parent) base = depth
  if (base >= 0 && depth >= base) { block = block substr($0, base + 1) (folded ? " " : "\n"); next }
  endBlock()
}
/^[ \t]*(#.*)?$/ || /^---/ { next }
/^[^ \t-]/ {
  endSection()
  key = $0; sub(/:.*/, "", key)
  value = $0; sub(/^[^:]*: */, "", value)
  if (key == "hostname" || key == "fqdn") { name = scalar(value); sub(/\..*/, "", name); print "hostname " quote(name) "; hostname > /etc/hostname" }
  else if (key == "write_files" || key == "runcmd" || key == "ssh_authorized_keys") section = key
  else complain(key)
  next
}
section == "" { next }
{
  level = indentation($0)
  item = $0
  first = sub(/^[ \t]*- +/, "", item)
  if (first) { level = length($0) - length(item); dash = indentation($0) }
  if (section == "write_files") {
    if (first) endFile()
    else sub(/^[ \t]+/, "", item)
    if (first) level = dash + 1
    pair(item)
  } else if (section == "runcmd" && first) {
    if (item ~ /^[|>][-+]?[ \t]*$/) { level = dash; startBlock("", item) }
    else if (item ~ /^\[.*\]$/) field("", words(item))
    else field("", scalar(item))
  } else if (section == "ssh_authorized_keys" && first) {
    print "mkdir -p /root/.ssh; printf \047%s\\n\047 " quote(scalar(item)) " >> /root/.ssh/authorized_keys"
  } else complain("line " NR)
}
END { endSection(); printf "%s", commands }
