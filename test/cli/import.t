#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CliTest;
use Digest::SHA qw(sha256_hex);
use Test::More;

needs_proc();

my @odd = ("new\nline", "back\\slash", "carriage\r", "latin\xe9", '-', '-dash',
    '#hash', ' space ', "\\n", '*star', 'paren) = x');
my %content = map { $_ => "content of $_" } qw(a/1 a/2 ab b), @odd;
make_files(%content);
utime 1600000000, 1600000000, map { "$site/$_" } keys %content;
select undef, undef, undef, 0.2;
my $count = keys %content;

my $manifest = "$work/manifest";

# A manifest imported into an index of its own: the totals.
my $indexes = 0;
sub import_into {
    my ($into, $text, @arguments) = @_;
    spew($manifest, $text);
    my $result = run('-i', $into, 'import', '--json', '--root', $site,
        @arguments, $manifest);
    $result->{n} = json($result->{out});
    return $result;
}
sub import_new { return import_into("$work/new" . ++$indexes, @_) }
sub record {
    my ($name, $into) = @_;
    my $result = run('-i', $into || "$work/new$indexes", 'list', '--json',
        "$site/$name");
    return $result->{exit} ? undef : json($result->{out});
}

# --- what export wrote
scan($site);
my $export = run('export', '--root', $site)->{out};
my $round = import_new($export);
is($round->{exit}, 0, 'what export wrote is imported') or diag $round->{err};
is($round->{n}{entries}, $count, 'every entry');
is($round->{n}{trusted}, $count, 'and nothing is read');
is($round->{n}{bytes}, 0, 'not one octet');
is(run('-i', "$work/new$indexes", 'list', '--sha256sum')->{out},
    run('list', '--sha256sum')->{out}, 'the index is the same');
is(run('-i', "$work/new$indexes", 'verify', '--strict')->{exit}, 0,
    'and true');
is(import_into("$work/new$indexes", $export)->{n}{unchanged}, $count,
    'a second import changes nothing');
is(import_new(run('export')->{out})->{n}{trusted}, $count,
    'absolute names stay');

# The date travels.
my $dated = $export =~ s/last-modified=1600000000/last-modified=1555555555/gr;
import_new($dated);
is(record('b')->{last_modified}, 'Thu, 18 Apr 2019 02:45:55 GMT',
    'the date is that of the manifest');
import_new($export =~ s/last-modified=\d+/last-modified=4000000000/gr);
is(record('b')->{last_modified}, 'Sun, 13 Sep 2020 12:26:40 GMT',
    'unless it lies in the future');
import_into($index, $dated);
is(record('b', $index)->{last_modified}, 'Sun, 13 Sep 2020 12:26:40 GMT',
    'a record of the same content keeps its date');
import_into($index, $export =~ s/last-modified=\d+/last-modified=1650000000/gr);
is(record('b', $index)->{last_modified}, 'Fri, 15 Apr 2022 05:20:00 GMT',
    'unless the manifest has a later one');

# Another content was there before: clients know it by a date.
sub date_of {
    my ($into) = @_;
    return run('-i', $into, 'export', "$site/b")->{out}
        =~ /last-modified=(\d+)/ ? $1 : 0;
}
sub of_other {
    my ($date) = @_;
    my $digest = sha256_hex('other');
    return "# htvalidators manifest 1\n# of=" . substr($digest, 0, 16)
        . " last-modified=$date size=5 mtime-ns=1\n$digest  b\n";
}
my ($early, $late) = ("$work/early", "$work/late");
scan('-i', $_, $site) for $early, $late;
spew("$site/b", 'other');
utime 1600000000, 1600000000, "$site/b" or die;
my $changed = (stat "$site/b")[10];
select undef, undef, undef, 2.1;
is(import_into($early, of_other(1610000000))->{n}{hashed}, 1,
    'another content is imported');
is(date_of($early), $changed, 'with the date that a scan would give');
is(import_into($late, of_other($changed + 1))->{n}{hashed}, 1, 'or');
is(date_of($late), $changed + 1, 'the later one of the manifest');
spew("$site/b", $content{b});
utime 1600000000, 1600000000, "$site/b" or die;
select undef, undef, undef, 0.2;

# --- under another root
system('cp', '-a', $site, "$work/release") == 0 or die;
select undef, undef, undef, 0.2;
spew($manifest, $export);
symlink "$work/release", "$work/current" or die;
my $release = run('import', '--json', '--root', "$work/current", $manifest);
is(json($release->{out})->{trusted}, $count,
    'a release is imported before its link is switched');
is(run('show', "$work/release/b")->{exit}, 0, 'under its real path');
chdir "$work/release" or die;
is(json(run('-i', "$work/here", 'import', '--json', $manifest)->{out})
        ->{trusted}, $count, 'the root is the working folder');
my $stdin = finished(background('sh', '-c',
        "exec '$tool' -i '$work/pipe' import --json - < '$manifest'"));
is(json($stdin->{out})->{trusted}, $count, '- is standard input');
chdir '/' or die;

# --- what sha256sum wrote
sub sums { chdir $site or die;
    my $out = finished(background('sha256sum', @_, '--', sort keys %content));
    chdir '/' or die;
    return $out->{out} }
# To sha256sum the name - is its standard input.
my $dash = sha256_hex($content{'-'}) . "  ./-\n";
for my $mode ('--text', '--binary', '--tag') {
    my $sums = join '', grep { !/[ *(]-(?:\)|$)/ } split /^/, sums($mode);
    $sums =~ s/^.* \*?carriage\r\n//m;
    $sums =~ s/^SHA256 \(carriage\r\).*\n//m;
    $sums .= $dash . '\\' . sha256_hex($content{"carriage\r"})
        . "  carriage\\r\n" if $sums !~ /carriage/;
    my $result = import_new($sums);
    is($result->{exit}, 0, "sha256sum $mode is imported") or diag $result->{err};
    is($result->{n}{hashed}, $result->{n}{entries},
        "sha256sum $mode: every file is read");
    is(run('-i', "$work/new$indexes", 'verify', '--strict')->{exit}, 0,
        "sha256sum $mode: and the records are true");
}
my $crlf = sha256_hex($content{b}) . "  b\r\n" . "\r\n# comment\r\n"
    . uc(sha256_hex($content{ab})) . " *ab\r\n";
is(import_new($crlf)->{n}{hashed}, 2,
    'lines may end with CR LF, digits may be capitals');
is(import_new(sha256_hex($content{b}) . '  b')->{n}{hashed}, 1,
    'the last line need not end');
is(import_new(sha256_hex($content{b}) . "  a/../a/.././b\n")->{n}{hashed}, 1,
    'names are cleaned');
is(record('b')->{sha256}, sha256_hex($content{b}), 'to real paths');

# --- nothing untrue
spew("$site/ab", 'CONTENT OF ab');
utime 1600000001, 1600000001, "$site/ab" or die;
spew("$site/b", 'of another size');
unlink "$site/a/1" or die;
select undef, undef, undef, 0.2;
my $bad = import_new($export);
is($bad->{exit}, 1, 'files that are not as the manifest says exit with 1');
is($bad->{n}{different}, 2, 'they are counted');
is($bad->{n}{missing}, 1, 'as are those that are missing');
is($bad->{n}{trusted}, $count - 3, 'the others are recorded');
is($bad->{n}{bytes}, length 'CONTENT OF ab',
    'another size needs no reading, another mtime does');
like($bad->{err}, qr{^htvalidators: \Q$site\E/ab: its content is not that}m,
    'the file is named');
like($bad->{err}, qr{^htvalidators: \Q$site\E/a/1: it is not there \(line }m,
    'as is the missing one');
ok(!record('ab') && !record('b'), 'neither is recorded');
is(import_new($export, '--trust')->{n}{different}, 2,
    '--trust changes nothing where something can be compared');
# As cp -p does it: stock servers do not see it, nor can import.
make_files('ab' => $content{ab}, 'a/1' => $content{'a/1'},
    b => $content{b});

# An mtime that every build writes tells nothing.
for my $mtime (0, 1, 315532800, 499162500) {
    spew("$site/ab", $content{ab});
    utime $mtime, $mtime, "$site/ab" or die;
    select undef, undef, undef, 0.2;
    scan($site);
    my $constant = run('export', '--root', $site, "$site/ab")->{out};
    is(import_new($constant)->{n}{hashed}, 1, "a file of $mtime is read");
    is(import_new($constant, '--trust')->{n}{trusted}, 1, 'unless trusted');
    spew("$site/ab", uc $content{ab});
    utime $mtime, $mtime, "$site/ab" or die;
    select undef, undef, undef, 0.2;
    is(import_new($constant)->{n}{different}, 1, 'and found to be another');
}
spew("$site/ab", $content{ab});
utime 1600000000, 1600000000, "$site/ab", "$site/b", "$site/a/1" or die;
select undef, undef, undef, 0.2;

# Facts belong to the line below them and to its digest.
my @sorted = sort split /^/, $export;
is(import_new(join '', @sorted)->{n}{hashed}, $count,
    'a manifest that was sorted has lost its facts, and is read');
my ($head) = $export =~ /^(.*\n)/;
my $facts = (grep { /^# of=/ } split /^/, $export)[0];
my $wrong = $facts =~ s/of=\w+/of=0000000000000000/r;
is(import_new($head . $wrong . sha256_hex($content{b}) . "  b\n")
        ->{n}{hashed}, 1, 'facts of another digest are not those of this file');

# --- trust
my $lie = ('0' x 64) . "  b\n";
is(import_new($lie)->{n}{different}, 1, 'a false digest is found');
is(import_new($lie, '--trust')->{n}{trusted}, 1, 'with --trust it is believed');
my $lied = "$work/new$indexes";
is(import_into($lied, sha256_hex($content{b}) . "  b\n", '--trust')->{n}{hashed},
    1, 'but not against a record: then the file is read');
is(record('b', $lied)->{sha256}, sha256_hex($content{b}), 'and decides');
is(import_into($lied, $lie, '--trust')->{n}{different}, 1, 'either way');

# --- what is no regular file
symlink 'b', "$site/link" or die;
symlink 'a', "$site/folder" or die;
system('mkfifo', "$site/fifo") == 0 or die;
my $no_files = import_new(join '', map { sha256_hex($content{b}) . "  $_\n" }
        qw(link fifo a a/ . b));
is($no_files->{exit}, 1, 'what is no regular file exits with 1');
is($no_files->{n}{skipped}, 5, 'and is skipped');
is($no_files->{n}{hashed}, 1, 'the others are not');
like($no_files->{err}, qr{/link: it is a symbolic link}, 'a link is called one');
is(import_new(sha256_hex($content{'a/2'}) . "  folder/2\n")->{n}{hashed}, 1,
    'a link on the way is followed');
ok(record('a/2'), 'to the real path');
unlink map { "$site/$_" } qw(link folder fifo) or die;

# --- malformed
my $good = sha256_hex($content{b}) . "  b\n";
for my $line ('nonsense', 'abc  b', ('z' x 64) . '  b', ('0' x 64) . ' b',
    ('0' x 64) . '  ', ('0' x 63) . '  b', ('0' x 65) . '  b',
    '\\' . ('0' x 64) . '  b\\x', '\\' . ('0' x 64) . '  b\\',
    'SHA256 (b) = 00', 'SHA512 (b) = ' . ('0' x 128), 'SHA256 (b)',
    "MD5 (b) = " . '0' x 32, ('0' x 64) . "  b\0c", 'x' x 300_000,
    ('0' x 64) . '  ' . 'n' x 200_000) {
    my $result = import_new("# comment\n$line\n$good");
    my $name = length $line > 40 ? substr($line, 0, 8) . '...' : $line;
    $name =~ s/\0/NUL/;
    is($result->{exit}, 1, "$name: exits with 1");
    is($result->{n}{malformed}, 1, "$name: is counted");
    like($result->{err}, qr/^htvalidators: \Q$manifest\E: line 2: \w/,
        "$name: has its line and a reason");
    is($result->{n}{hashed}, 1, "$name: the next one is imported");
}
my $far = import_new(('0' x 64) . '  ' . 'n/' x 30_000 . "n\n$good");
is($far->{n}{failed} + $far->{n}{missing}, 1, 'a name too long is one failure');
is($far->{n}{hashed}, 1, 'and no more');
my $later = import_new("# htvalidators manifest 2\n$good");
is($later->{exit}, 2, 'a manifest of a later version exits with 2');
like($later->{err}, qr/later version/, 'and says so');
my $empty = import_new("# htvalidators manifest 1\n");
is($empty->{exit}, 1, 'a manifest without an entry exits with 1');
like($empty->{err}, qr/no entry/, 'and is told');

# --- this moment
spew("$site/now$_", "now$_") for 1 .. 300;
my $now = import_new(join '', map { sha256_hex("now$_") . "  now$_\n" }
        1 .. 300);
is($now->{exit}, 0, 'files made this moment are waited for')
    or diag $now->{err};
is($now->{n}{hashed}, 300, 'all of them');
is(run('-i', "$work/new$indexes", 'show', "$site/now300")->{exit}, 0,
    'and their records are fresh');
spew("$site/now$_", "NOW$_") for 1 .. 300;
is(import_new(join('', map { sha256_hex("NOW$_") . "  now$_\n" } 1 .. 300),
        '--trust')->{n}{trusted}, 300, 'with --trust, too');

# --- many: more than a batch
my $many = join '', map { my $n = 1 + $_ % 300;
    sha256_hex("NOW$n") . "  now$n\n" } 1 .. 9000;
my $twice = import_new($many);
is($twice->{n}{hashed} + $twice->{n}{unchanged}, 9000,
    'a file may be named again');
is($twice->{exit}, 0, 'and again');

# --- several at once
for my $jobs (1, 2, 16) {
    my $result = import_new($many . "nonsense\n" . ('0' x 64) . "  none\n",
        '-j', $jobs);
    is($result->{n}{hashed} + $result->{n}{unchanged}, 9000,
        "-j $jobs: every line is dealt with");
    is_deeply([@{$result->{n}}{qw(entries malformed missing)}], [9001, 1, 1],
        "-j $jobs: and counted once");
    is(records('-i', "$work/new$indexes"), 300, "-j $jobs: in one record each");
    is(run('-i', "$work/new$indexes", 'verify', '--strict')->{exit}, 0,
        "-j $jobs: that is true");
}
my $first = import_new(('1' x 64) . "  now1\n" . ('2' x 64) . "  now1\n",
    '--trust', '-j', 16);
is(record('now1')->{sha256}, '1' x 64,
    'of two lines that are trusted the first one is');
is($first->{n}{different}, 1, 'and the other one is reported');

# The index is replaced again and again meanwhile.
{
    my $into = "$work/replaced";
    import_into($into, sha256_hex($content{b}) . "  b\n");
    spew($manifest, join '', map { my $n = 1 + $_ % 300;
            sha256_hex("NOW$n") . "  now$n\n" } 1 .. 60_000);
    my $job = background($tool, '-i', $into, 'import', '--json', '--root',
        $site, '-j', 4, $manifest);
    my $compacted = 0;
    while (!($job->{done} = waitpid $job->{pid}, POSIX::WNOHANG())) {
        $compacted++ if run('-i', $into, 'compact')->{exit} == 0;
    }
    is($?, 0, 'an import into an index that is compacted exits with 0')
        or diag(slurp("$job->{name}.err"));
    cmp_ok($compacted, '>=', 1, 'it was');
    my $n = json(slurp("$job->{name}.out"));
    is($n->{hashed} + $n->{unchanged}, 60_000, 'nothing is lost');
    is(records('-i', $into), 301, 'and all records are there');
}

# --- what cannot be done
sub refused {
    my ($name, $why, @arguments) = @_;
    my $result = run('-i', "$work/no.mdb", 'import', @arguments);
    is($result->{exit}, 2, "$name exits with 2");
    like($result->{err}, $why, "$name is explained");
    is($result->{out}, '', "$name writes nothing");
    ok(!-e "$work/no.mdb", "$name makes no index");
}
refused('a manifest that is not there', qr/No such file.*nothing was imported/,
    "$work/none");
refused('a manifest that is a folder', qr/Is a directory/, $work);
refused('a root that is not there', qr/--root .*No such file/, '--root',
    "$work/none", $manifest);
refused('a root that is a file', qr/Not a directory/, '--root', $manifest,
    $manifest);
refused('no manifest', qr/usage: htvalidators import FILE/);

spew($manifest, $good . sha256_hex('secret') . "  secret\n");
spew("$site/secret", 'secret');
chmod 0000, "$site/secret" or die;
chmod 0755, $work;
chmod 0644, $manifest;
mkdir "$work/nobody" or die;
chmod 0755, "$work/nobody" or die;
chown 65534, 65534, "$work/nobody" if $> == 0;
select undef, undef, undef, 0.2;
my $nobody = run_as_nobody('-i', "$work/nobody/v.mdb", 'import', '--json',
    '--root', $site, $manifest);
is($nobody->{exit}, 1, 'a file that cannot be read exits with 1');
like($nobody->{err}, qr{/secret: .*ermission}, 'with the reason');
is(json($nobody->{out})->{failed}, 1, 'and is counted');
is(json($nobody->{out})->{hashed}, 1, 'the other is recorded');
chmod 0000, $manifest or die;
is(run_as_nobody('-i', "$work/nobody/v.mdb", 'import', $manifest)->{exit}, 2,
    'a manifest that cannot be read exits with 2');
chmod 0644, $manifest;

my $text = run('import', '--root', $site, $manifest);
like($text->{out}, qr/^2 entries: 0 trusted, \d hashed .*; [\d.]+ s$/,
    'the summary is one line');
is(run('import', '-q', '--root', $site, $manifest)->{out}, '',
    'with --quiet there is none');

# --- stopped
make_sparse("$site/large", 64, 1 << 30);
spew($manifest, $good . join '', map { ('0' x 64) . sprintf("  large/%05d\n",
            $_) } 1 .. 64);
for my $signal (qw(INT TERM)) {
    my $job = background($tool, '-i', "$work/stopped$signal", 'import',
        '--json', '--root', $site, $manifest);
    ok(catches($job), 'import is under way');
    select undef, undef, undef, 0.3;
    my $begun = Time::HiRes::time();
    kill $signal, $job->{pid};
    my $stopped = finished($job);
    cmp_ok(Time::HiRes::time() - $begun, '<', 5, "SIG$signal ends it soon");
    is($stopped->{exit}, 2, "SIG$signal: with 2");
    like($stopped->{err}, qr/stopped; what was recorded is kept/,
        "SIG$signal: and says so");
    ok(!json($stopped->{out})->{complete}, "SIG$signal: it is not complete");
    is(records('-i', "$work/stopped$signal"), 1,
        "SIG$signal: what was looked at is recorded");
}
# Held open, and never written to.
system('mkfifo', "$work/silent") == 0 or die;
open my $hold, '+<', "$work/silent" or die;
my $silent = background($tool, '-i', "$work/waits", 'import', "$work/silent");
ok(catches($silent), 'a pipe that says nothing');
kill 'INT', $silent->{pid};
ok(wait_for(5, sub { waitpid($silent->{pid}, POSIX::WNOHANG()) != 0 }),
    'is given up at a signal');
is($? >> 8, 2, 'with 2');

done_testing;
