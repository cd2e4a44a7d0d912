// Packs the extension as a .vsix: a ZIP file with a manifest, as `vsce package` writes it, without its three hundred
// packages. The same files always give the same archive.
//
// usage: node scripts/package.mjs [FILE]; prints the name of the file

import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32, deflateRawSync } from 'node:zlib';

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const read = (name) => readFileSync(join(here, name));
const { scripts, devDependencies, private: _, ...described } = JSON.parse(read('package.json').toString());
const target = process.argv[2] ?? join(here, `${described.name}-${described.version}.vsix`);

const TYPES = { json: 'application/json', cjs: 'application/javascript', md: 'text/markdown', png: 'image/png', txt: 'text/plain', vsixmanifest: 'text/xml' };

const files = {
  '[Content_Types].xml': contentTypes(),
  'extension.vsixmanifest': manifest(described),
  'extension/package.json': `${JSON.stringify(described, null, 2)}\n`,
  'extension/readme.md': read('README.md'),
  'extension/LICENSE.txt': read('../../LICENSE'),
  'extension/dist/extension.cjs': read('dist/extension.cjs'),
  'extension/media/icon.png': read('media/icon.png'),
};
writeFileSync(target, zip(Object.entries(files).map(([name, content]) => [name, Buffer.from(content)])));
console.log(target);

function contentTypes() {
  const types = Object.entries(TYPES).map(([end, type]) => `<Default Extension=".${end}" ContentType="${type}"/>`);
  return `<?xml version="1.0" encoding="utf-8"?>\n<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">${types.join('')}</Types>\n`;
}

function manifest({ name, version, publisher, displayName, description, keywords, categories, engines, extensionKind, icon }) {
  const property = (id, value) => `<Property Id="Microsoft.VisualStudio.${id}" Value="${escaped(value)}"/>`;
  const asset = (type, path) => `<Asset Type="Microsoft.VisualStudio.${type}" Path="${path}" Addressable="true"/>`;
  return `<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011">
  <Metadata>
    <Identity Language="en-US" Id="${name}" Version="${version}" Publisher="${publisher}"/>
    <DisplayName>${escaped(displayName)}</DisplayName>
    <Description xml:space="preserve">${escaped(description)}</Description>
    <Tags>${escaped(keywords.join(','))}</Tags>
    <Categories>${escaped(categories.join(','))}</Categories>
    <GalleryFlags>Public</GalleryFlags>
    <Properties>
      ${property('Code.Engine', engines.vscode)}
      ${property('Code.ExtensionKind', extensionKind.join(','))}
      ${property('Code.ExecutesCode', 'true')}
    </Properties>
    <License>extension/LICENSE.txt</License>
    <Icon>extension/${icon}</Icon>
  </Metadata>
  <Installation>
    <InstallationTarget Id="Microsoft.VisualStudio.Code"/>
  </Installation>
  <Dependencies/>
  <Assets>
    ${asset('Code.Manifest', 'extension/package.json')}
    ${asset('Services.Content.Details', 'extension/readme.md')}
    ${asset('Services.Content.License', 'extension/LICENSE.txt')}
    ${asset('Services.Icons.Default', `extension/${icon}`)}
  </Assets>
</PackageManifest>
`;
}

function escaped(text) {
  return text.replace(/[&<>"']/g, (mark) => `&#${mark.charCodeAt(0)};`);
}

/** A ZIP archive (APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16). Every file is of the first day that it can name. */
function zip(entries) {
  const [bodies, directory] = [[], []];
  let offset = 0;
  for (const [name, content] of entries) {
    const packed = deflateRawSync(content, { level: 9 });
    const path = Buffer.from(name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0); // needs version 2.0
    common.writeUInt16LE(0x0800, 2); // names in UTF-8
    common.writeUInt16LE(8, 4); // deflated
    common.writeUInt16LE(0, 6); // 00:00
    common.writeUInt16LE(0x0021, 8); // 1 January 1980
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(path.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, path, packed]);
    const central = Buffer.concat([Buffer.from('PK\x01\x02\x14\x03'), common, Buffer.alloc(14), path]);
    central.writeUInt32LE(0o100644 * 0x10000, 38);
    central.writeUInt32LE(offset, 42);
    bodies.push(local);
    directory.push(central);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...bodies, central, end]);
}
