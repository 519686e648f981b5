#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use Digest::SHA qw(sha256);
use File::Path qw(remove_tree);
use FindBin;
use lib $FindBin::Bin;
use IO::Socket::UNIX;
use POSIX qw(mkfifo);
use CliTest;
use Test::More;

needs_proc();

make_files(map { $_ => "content of $_" } qw(good bad other));
scan($site);
my $whole = slurp($index);

# One bit of one record, wherever a copy of it stands.
my $digest = sha256('content of bad');
my $wrong = $digest ^ ("\x00" x 31 . "\x01");
(my $flipped = $whole) =~ s/\Q$digest\E/$wrong/g;
isnt($flipped, $whole, 'the record is found in the file');
spew($index, $flipped);

my $list = run('list', '--json');
is($list->{exit}, 1, 'list of a damaged record exits with 1');
is_deeply([map { $_->{path} } json($list->{out})],
    ["$site/good", "$site/other"], 'it is left out, the others are listed');
like($list->{err}, qr{^htvalidators: \Q$site\E/bad: its record does not check},
    'and it is named');
my $show = run('show', '--json', "$site/bad");
is($show->{exit}, 1, 'show of a damaged record exits with 1');
like(json($show->{out})->{reason}, qr/damaged record/, 'and tells the reason');
is(run('show', "$site/good")->{exit}, 0, 'the others can be shown');
my $export = run('export');
is($export->{exit}, 1, 'export of a damaged record exits with 1');
like($export->{err}, qr{/bad: its record does not check}, 'and names it');
unlike($export->{out}, qr{/bad$}m, 'but does not write it');
my $verify = run('verify');
is($verify->{exit}, 1, 'verify of a damaged record exits with 1');
like($verify->{out}, qr{^damaged  \Q$site\E/bad$}m, 'and names it');
like($verify->{out}, qr/ 2 good,.* 1 damaged,/, 'and verifies the others');
spew("$work/sums", unpack('H*', $digest) . "  $site/bad\n");
is(json(run('import', '--json', "$work/sums")->{out})->{hashed}, 1,
    'import makes that record again');
is(run('verify')->{exit}, 0, 'and it is good');
spew($index, $flipped);

is(json(scan('--json', $site)->{out})->{hashed}, 1,
    'the next scan makes that record again');
is(run('show', "$site/bad")->{exit}, 0, 'and it is good');

spew($index, $flipped);
is(json(run('forget', '--json', "$site/bad")->{out})->{forgotten}, 1,
    'a damaged record can be forgotten');

for my $octets (0, 1, 4096, 8192, length($whole) - 4096) {
    spew($index, substr $whole, 0, $octets);
    for my $command (['list'], ['stat'], ['show', "$site/good"],
        ['forget', '/'], ['list', '--json'], ['export'], ['verify'],
        ['import', "$work/sums"], ['scan', '--adopt', '--prune', $site]) {
        my $result = run(@{$command});
        is($result->{signal}, 0,
            "$command->[0] of an index cut to $octets octets is no crash");
        ok($result->{exit} != 2 || $result->{err}
                =~ /^htvalidators: \Q$index\E: .+; .+$/,
            'what, why and what to do') or diag $result->{err};
    }
}

# Whatever stands there: no crash, and nothing without end.
srand 7;
for my $round (1 .. 40) {
    my $noise = $whole;
    substr($noise, int rand(length($noise) - 64), 64)
        = pack 'C*', map { int rand 256 } 1 .. 64
        for 1 .. 8;
    spew($index, $noise);
    for my $command (['list'], ['export'], ['verify'],
        ['scan', '--adopt', '--prune', $site], ['forget', '/']) {
        my $result = finished(background('timeout', '20', $tool, '-i', $index,
                @{$command}));
        ok($result->{exit} < 3 && !$result->{signal},
            "$command->[0] of an index with noise, round $round, ends well")
            or diag "$result->{exit} $result->{signal}\n$result->{err}";
    }
}


# --- one state after another, for every command ------------------------------

# An index of some hundred KB.
make_files(map { ("many/$_" => $_) } 1 .. 1500);
unlink $index, "$index-lock";
scan($site);
$whole = slurp($index);
my $lock = slurp("$index-lock");
cmp_ok(length $whole, '>', 200_000, 'the index is of some hundred KB');
spew("$work/other/validators.mdb-lock", '');
run('-i', "$work/other/validators.mdb", 'scan', "$site/good") for 1 .. 3;
my $other_lock = slurp("$work/other/validators.mdb-lock");

sub clear {
    my ($path) = @_;
    -d $path && !-l $path ? remove_tree($path) : unlink $path;
}

# The index and its lock file as they are at first.
sub mend {
    clear($_) for $index, "$index-lock";
    spew($index, $whole);
    spew("$index-lock", $lock);
    chmod 0640, $index or die;
    chmod 0600, "$index-lock" or die;
}

# What stands there, that it can be seen to be the same after.
sub state_at {
    my ($path) = @_;
    my @stat = lstat $path or return 'nothing';
    my $content = -l $path ? readlink $path
        : -f $path ? unpack('H*', sha256(slurp($path))) : '';
    return join ' ', @stat[1, 2, 7], $content;
}

my @env;

sub run_here {
    return finished(background('timeout', '20', 'env', @env, $tool, '-i',
            $index, @_));
}

# Every command but those of @but ends well; where the state is `refused`, with exit 2, what is
# wrong and what to do, and all is as it was.  `scan` comes last: it may mend.
sub try_commands {
    my ($what, $refused, @but) = @_;
    my %but = map { $_ => 1 } @but;
    my $before = state_at($index);
    my (@crashed, @silent, @accepted, @touched);
    for my $command (['stat'], ['list'], ['show', "$site/good"],
        ['list', '--json', "$site/many"], ['scan', "$site/good"]) {
        next if $but{$command->[0]};
        my $result = run_here(@{$command});
        my $name = "@{$command}";
        push @crashed, "$name: $result->{exit} $result->{signal}"
            if $result->{signal} || $result->{exit} > 2;
        push @silent, "$name: $result->{err}" if $result->{exit} == 2
            && $result->{err} !~ /^htvalidators: \Q$index\E: .+; .+$/m;
        push @accepted, "$name: $result->{exit}"
            if $refused && $result->{exit} != 2;
        push @touched, $name
            if $refused && state_at($index) ne $before;
    }
    is("@crashed", '', "$what: no command crashes");
    is("@silent", '', "$what: what is wrong, and what to do");
    is("@accepted", '', "$what: is refused by every command") if $refused;
    is("@touched", '', "$what: is left as it is") if $refused;
}

# Who only reads needs the index alone.
my @readers = qw(list show stat);

sub readers_go_on {
    my ($what) = @_;
    for my $command (['stat'], ['list'], ['show', "$site/good"],
        ['verify'], ['export']) {
        my $result = run_here(@{$command});
        is("$result->{exit} $result->{err}", '0 ',
            "$what: $command->[0] goes on");
    }
}

sub put {
    mend();
    spew($index, shift);
}

my $size = length $whole;
for my $cut (1, 4095, 4096, 4097, 8191, 8192, 12_288, 4096 * int($size / 8192),
    $size - 4096, $size - 1) {
    put(substr $whole, 0, $cut);
    try_commands("cut to $cut octets", 1);
}
# What was killed while it was made is made.
put('');
try_commands('an empty file', 1, 'scan');
is(run_here('scan', "$site/good")->{exit}, 0, 'an empty file: scan fills it');

for my $from (0, 16, 4096, 8192, 20_480) {
    my $noise = $whole;
    substr($noise, $from) = pack 'C*', map { int rand 256 } $from + 1 .. $size;
    put($noise);
    try_commands("random octets from $from", 0);
}

my $seed = $ENV{VLD_SEED} || 4711;
srand $seed;
my @bad;
for my $trial (1 .. 60) {
    my $bits = $whole;
    for (1 .. 1 + $trial * 4) {
        my $at = ($trial % 3 ? 8192 : 0) + int rand($size - 8192);
        vec($bits, 8 * $at + int rand 8, 1) ^= 1;
    }
    put($bits);
    for my $command (['list'], ['stat'], ['show', "$site/many/77"],
        ['scan', $site], ['forget', '/']) {
        my $result = run_here(@{$command});
        push @bad, "trial $trial: $command->[0]: $result->{exit}"
            . " $result->{signal} $result->{err}" if $result->{signal}
            || $result->{exit} > 2 || $result->{exit} == 2
            && $result->{err} !~ /^htvalidators: \Q$index\E: .+; .+$/m;
    }
}
is(scalar @bad, 0, 'bits flipped anywhere: every command ends well')
    or diag("VLD_SEED=$seed\n", map { substr($_, 0, 300) . "\n" } @bad);

(my $version = $whole) =~ s/format\x01\0\0\0/format\x07\0\0\0/g;
put($version);
try_commands('another version of the format', 1);
like(run_here('stat')->{err}, qr/another format version; move .* scan/,
    'another version of the format: is made anew by a scan');
my $mark = substr $whole, 16, 4;
my $swapped = $whole;
substr($swapped, $_ + 16, 4) = reverse $mark for 0, 4096;
put($swapped);
try_commands('an index of the other byte order', 1);
my $narrow = $whole;
substr($narrow, $_ + 12, 8) = $mark . "\1\0\0\0" for 0, 4096;
put($narrow);
try_commands('an index of 32 bits', 1);
put("# Some notes of mine\n" x 500);
try_commands('a text file', 1);

# --- what is no file ----------------------------------------------------------

my %thing = (
    'a folder' => sub { mkdir $_[0] or die $! },
    'a fifo' => sub { mkfifo($_[0], 0600) or die $! },
    'a socket' => sub {
        IO::Socket::UNIX->new(Local => $_[0], Listen => 1) or die "$_[0]: $!";
    },
    'a link to nowhere' => sub { symlink 'none', $_[0] or die $! },
    'a link to a text' => sub {
        spew("$work/text", "text\n" x 2000);
        symlink "$work/text", $_[0] or die $!;
    },
);
for my $kind (sort keys %thing) {
    mend();
    clear($index);
    $thing{$kind}->($index);
    try_commands("$kind in its place", 1);
    mend();
    clear("$index-lock");
    $thing{$kind}->("$index-lock");
    my $before = state_at("$index-lock");
    try_commands("$kind for a lock file", 1, @readers);
    readers_go_on("$kind for a lock file");
    is(state_at("$index-lock"), $before, "$kind for a lock file: is left");
}
is(slurp("$work/text"), "text\n" x 2000, 'the text that links led to is left');
ok(!-e "$work/index/none", 'nothing is made where a link led nowhere');

mend();
chmod 0666, $index or die;
try_commands('writable for all', 1);
if ($> == 0) {
    mend();
    chown 65533, 65533, $index or die;
    try_commands("another user's", 1);
}

# --- the lock file -------------------------------------------------------------

mend();
clear("$index-lock");
readers_go_on('without a lock file');
ok(!-e "$index-lock", 'without a lock file: they make none');
is(run_here('scan', "$site/good")->{exit}, 0, 'without a lock file: scan makes'
        . ' one');
is(run_here('stat')->{exit}, 0, 'and all is well');
for my $content (['of another index', $other_lock], ['that is empty', ''],
    ['of random octets', pack 'C*', map { int rand 256 } 1 .. length $lock])
{
    mend();
    spew("$index-lock", $content->[1]);
    try_commands("a lock file $content->[0]", 0);
    is(records(), 1503, "a lock file $content->[0]: no record is missing");
}
if ($> != 0) {
    mend();
    chmod 0440, "$index-lock" or die;
    try_commands('a lock file that cannot be written', 1, @readers);
}
else {
    mend();
    chown 65533, 65533, "$index-lock" or die;
    try_commands("another user's lock file", 1, @readers);
    like(run_here('scan', "$site/good")->{err},
        qr/lock file is not this user's alone; .*`rm -f "\Q$index\E-lock"`/,
        "another user's lock file: what to do");
}
# That of an older version.
mend();
chmod 0660, "$index-lock" or die;
readers_go_on('a lock file for the group');
is((stat "$index-lock")[2] & 07777, 0660,
    'a lock file for the group: is left by readers');
is(run_here('scan', "$site/good")->{exit}, 0,
    'a lock file for the group: is used by its owner');
is((stat "$index-lock")[2] & 07777, 0600,
    'a lock file for the group: and tightened');

# --- file systems --------------------------------------------------------------

my $faults = "$work/faults.so";
my $source = "$FindBin::Bin/../modules/faults.c";
is(system('cc', '-O1', '-shared', '-fPIC', '-o', $faults, $source, '-ldl'), 0,
    'the library of faults is made');
# A sanitizer wants to be the first library.
my $first = `ldd '$tool'` =~ m{=> (\S*/lib[at]san\S*)} ? "$1:" : '';

sub with_fault {
    @env = ("LD_PRELOAD=$first$faults", "FAULTS=$_[0]",
        "FAULTS_BELOW=$work/index");
}

mend();
with_fault('ENOLCK');
try_commands('without locks', 1, @readers);
like(run_here('scan', "$site/good")->{err}, qr/local file system/,
    'without locks: another place is advised');

with_fault('EROFS');
is(run_here('list')->{exit}, 0, 'read-only: the index can be listed');
is(run_here('show', "$site/good")->{exit}, 0, 'read-only: and shown');
is(run_here('stat')->{exit}, 0, 'read-only: and measured');
try_commands('read-only', 1, qw(list show stat));
clear("$index-lock");
is(run_here('list')->{exit}, 0, 'read-only: without a lock file, too');

mend();
with_fault('ENOSPC');
make_files(map { ("more/$_" => $_) } 1 .. 3000);
my $full = run_here('scan', $site);
is("$full->{exit} $full->{signal}", '2 0', 'a full disk: scan exits with 2');
like($full->{err}, qr/^htvalidators: \Q$index\E: .*space.*; free space/m,
    'a full disk: what is wrong, and what to do');
is(run_here('show', "$site/good")->{exit}, 0,
    'a full disk: what was there can be read');
@env = ();
is(records(), 1503, 'a full disk: nothing is lost');
is(json(scan('--json', $site)->{out})->{hashed}, 3000,
    'with space again the scan is complete');

done_testing;
