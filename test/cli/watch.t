#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use File::Path qw(make_path remove_tree);
use FindBin;
use lib $FindBin::Bin;
use CliTest;
use Test::More;
use Time::HiRes qw(sleep time);

needs_proc();

my $patience = 20;
my @watchers;

END { kill 'KILL', $_->{pid} for grep { !$_->{ended} } @watchers }

sub started {
    my (@arguments) = @_;
    my $job = background($tool, '-i', $index, '--json', 'watch', @arguments);
    push @watchers, $job;
    return $job;
}

sub news {
    my ($job, $event) = @_;
    return if !-e "$job->{name}.out";
    my @complete = slurp("$job->{name}.out") =~ /^(.*)\n/mg;
    return grep { $_->{event} eq $event } map { json($_) } @complete;
}

sub watching {
    my $job = started(@_ ? @_ : $site);
    ok(wait_for($patience, sub { news($job, 'ready') }), 'it is watching')
        or diag slurp("$job->{name}.err");
    return $job;
}

sub stopped {
    my ($job, $signal) = @_;
    my $begun = time;
    kill $signal || 'TERM', $job->{pid};
    my $result = finished($job);
    $job->{ended} = 1;
    $result->{seconds} = time - $begun;
    return $result;
}

# Whether the record is fresh and that of this content.
sub known_as {
    my ($path, $content) = @_;
    my $result = run('show', '--json', $path);
    my $record = json($result->{out});
    return $record->{fresh} && $record->{sha256} eq sha256_hex($content);
}

sub becomes {
    my ($path, $content, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok(wait_for($patience, sub { known_as($path, $content) }), $name);
}

sub listed {
    my ($prefix) = @_;
    return map { $_->{path} } json(run('list', '--json', $prefix)->{out});
}

sub vanishes {
    my ($prefix, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok(wait_for($patience, sub { !listed($prefix) }), $name)
        or diag join "\n", listed($prefix);
}

# Everything that is there has its record, and nothing else has one.
sub is_true {
    my ($name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @files = sort split /\n/, `find '$site' -type f`;
    ok(wait_for($patience, sub {
                "@files" eq join ' ', sort { $a cmp $b } listed($site)
            }), "$name: one record a file");
    ok(wait_for($patience, sub { run('show', '--quiet', @files)->{exit} == 0 }),
        "$name: all of them fresh");
}

# --- one watcher, small changes ----------------------------------------------

make_files('a' => 'a', 'b/b' => 'b', 'gone' => 'gone');
scan($site);
unlink "$site/gone" or die;
my $watcher = watching();
is((news($watcher, 'ready'))[0]{folders}, 2, 'every folder is watched');
is((listed("$site/gone")), 0,
    'what went before the start has no record any more');

spew("$site/new", 'new');
becomes("$site/new", 'new', 'a new file is indexed');

my @stat = stat "$site/a";
spew("$site/a", 'z');
utime $stat[8], $stat[9], "$site/a" or die;
becomes("$site/a", 'z', 'so is a change that keeps size and mtime');

utime 1000000000, 1000000000, "$site/a" or die;
becomes("$site/a", 'z', 'a touched file gets a fresh record');

rename "$site/a", "$site/b/c" or die;
becomes("$site/b/c", 'z', 'a renamed file is known by its new name');
vanishes("$site/a", 'and not by its old one');

spew("$work/outside", 'outside');
rename "$work/outside", "$site/inside" or die;
becomes("$site/inside", 'outside', 'a file that is moved in is indexed');
rename "$site/inside", "$work/outside" or die;
vanishes("$site/inside", 'one that is moved out is dropped');

unlink "$site/new" or die;
vanishes("$site/new", 'so is one that is deleted');

spew("$site/turn", 'file');
becomes("$site/turn", 'file', 'a file');
unlink "$site/turn" or die;
symlink '/etc/passwd', "$site/turn" or die;
vanishes("$site/turn", 'that becomes a symbolic link has no record');

my $odd = "$site/odd \n\x{1b}[1m\xff";
spew($odd, 'odd');
ok(wait_for($patience, sub { grep { /odd/ } listed($site) }),
    'a name may have any octet');
unlink $odd or die;

# --- folders -----------------------------------------------------------------

make_path("$site/d/e/e/p");
spew("$site/d/e/e/p/file", 'deep');
becomes("$site/d/e/e/p/file", 'deep',
    'a file in new folders that are made with it at once is indexed');
spew("$site/d/e/later", 'later');
becomes("$site/d/e/later", 'later', 'new folders are watched');

rename "$site/d/e", "$site/moved" or die;
becomes("$site/moved/e/p/file", 'deep', 'a moved folder is indexed anew');
vanishes("$site/d/e", 'nothing is left at its old place');
spew("$site/moved/e/p/file", 'deeper');
becomes("$site/moved/e/p/file", 'deeper', 'it is watched at its new place');

rename "$site/moved", "$work/away" or die;
vanishes("$site/moved", 'a folder that is moved out is dropped');
spew("$work/away/later", 'changed outside');
rename "$work/away", "$site/back" or die;
becomes("$site/back/later", 'changed outside',
    'a folder that is moved in is indexed');

make_path("$work/other");
spew("$work/other/file", 'other');
symlink "$work/other", "$site/link" or die;
spew("$site/after", 'after');
becomes("$site/after", 'after', 'after a link to a folder was made');
is((listed("$work/other")), 0, 'what it leads to is not indexed');
is((listed("$site/link")), 0, 'by neither name');

remove_tree("$site/back");
vanishes("$site/back", 'a folder that is removed is dropped');
is_true('after all that');

# --- many --------------------------------------------------------------------

spew("$site/many/$_", $_) for 1 .. 3000;
is_true('many files at once');

open my $busy, '>', "$site/busy" or die;
$busy->autoflush(1);
my $end = time + 3;
my $begun = (news($watcher, 'batch'))[-1]{indexed};
while (time < $end) {
    print {$busy} 'x';
    sleep 0.005;
}
close $busy;
cmp_ok((news($watcher, 'batch'))[-1]{indexed} - $begun, '<', 10,
    'a file that is written all the time is not read all the time');
becomes("$site/busy", slurp("$site/busy"), 'and read in the end');

my $others = watching();
my $scan = background($tool, '-i', $index, 'scan', '--json', $site);
spew("$site/both/$_", "both $_") for 1 .. 300;
is(finished($scan)->{signal}, 0, 'a scan beside two watchers crashes nothing');
is_true('two watchers and a scan at once');
is(stopped($others)->{exit}, 0, 'one of two watchers stops');

# --- the queue of events overflows -------------------------------------------

open my $limit, '<', '/proc/sys/fs/inotify/max_queued_events' or die;
my $queue = <$limit> + 0;
close $limit;
SKIP: {
    # Where the queue is longer than this, the test would take too long.
    cmp_ok($queue, '<=', 200_000, 'the queue of events can be made to overflow')
        or last SKIP;
    kill 'STOP', $watcher->{pid};
    for my $n (0 .. $queue / 2) {
        utime undef, undef, "$site/both/1", or die;
        utime undef, undef, "$site/both/2", or die;
    }
    spew("$site/unheard/of", 'unheard of');
    unlink "$site/both/3" or die;
    rename "$site/many", "$site/renamed" or die;
    kill 'CONT', $watcher->{pid};
    becomes("$site/unheard/of", 'unheard of',
        'what events were lost of is found');
    is_true('after lost events');
    ok((news($watcher, 'rescan'))[0]{rescans} >= 1, 'by a rescan');
    my @said = grep { /more changes at once/ }
        lines(slurp("$watcher->{name}.err"));
    is(@said, 1, 'which is said in one line');
    spew("$site/renamed/1", 'anew');
    becomes("$site/renamed/1", 'anew',
        'a folder whose move was lost is watched at its new place');
}

# --- SIGHUP, another index -----------------------------------------------------

my $rescans = (map { $_->{rescans} } news($watcher, 'rescan'))[-1];
kill 'HUP', $watcher->{pid};
ok(wait_for($patience, sub {
            (map { $_->{rescans} } news($watcher, 'rescan'))[-1] > $rescans
        }), 'SIGHUP makes it scan again');

is(run('-i', "$work/index/fresh.mdb", 'scan', "$site/unheard")->{exit}, 0,
    'a fresh index is made');
rename "$work/index/fresh.mdb", $index or die;
becomes("$site/after", 'after',
    'an index that is put in place of the old one is filled');
spew("$site/after", 'after that');
becomes("$site/after", 'after that', 'and kept true');
like(slurp("$watcher->{name}.err"), qr/has been replaced/, 'that is told');

# --- the root itself -------------------------------------------------------------

rename $site, "$work/elsewhere" or die;
vanishes($site, 'records of a tree that goes are dropped');
like(slurp("$watcher->{name}.err"),
    qr/\Q$site\E: no such file or folder; it is followed again/,
    'that it went is told');
rename "$work/elsewhere", $site or die;
becomes("$site/after", 'after that', 'when it is back it is indexed');
spew("$site/after", 'back');
becomes("$site/after", 'back', 'and watched');

# --- the end -------------------------------------------------------------------

my $result = stopped($watcher);
is($result->{exit}, 0, 'SIGTERM is its normal end');
cmp_ok($result->{seconds}, '<', 1, 'which takes less than a second');
like($result->{out}, qr/"event":\s*"stopped"[^\n]*\n\z/, 'and is its last news');

my $killed = watching();
spew("$site/killed/$_", $_) for 1 .. 200;
kill 'KILL', $killed->{pid};
is(finished($killed)->{signal}, 9, 'a watcher is killed');
$killed->{ended} = 1;
unlink "$site/killed/1" or die;
my $next = watching();
is_true('the next watcher makes good what the killed one left');
is(stopped($next, 'INT')->{exit}, 0, 'SIGINT is a normal end, too');

make_sparse("$site/large", 64, 1 << 30);
my $scanning = started($site);
sleep 0.5;
ok(!news($scanning, 'ready'), 'in the middle of the first scan');
$result = stopped($scanning);
is($result->{exit}, 0, 'it ends as well');
cmp_ok($result->{seconds}, '<', 1, 'as soon');
remove_tree("$site/large");

# --- links to roots, several roots ------------------------------------------------

make_path("$work/releases/$_") for 1 .. 2;
spew("$work/releases/$_/page", "release $_") for 1 .. 2;
symlink 'releases/1', "$work/current" or die;
my $linked = watching("$work/current", "$site/b", "$site/b/", "$site");
becomes("$work/releases/1/page", 'release 1', 'a root may be a link');
symlink 'releases/2', "$work/new" or die;
rename "$work/new", "$work/current" or die;
becomes("$work/releases/2/page", 'release 2', 'that is switched later');
spew("$work/releases/2/page", 'release 2.1');
becomes("$work/releases/2/page", 'release 2.1', 'and followed to its new end');
spew("$site/b/twice", 'twice');
becomes("$site/b/twice", 'twice', 'roots may lie in each other');
is(stopped($linked)->{err}, '', 'without a word');

# --- files with two names --------------------------------------------------------

make_path("$site/names");
spew("$site/names/one", 'one');
link "$site/names/one", "$site/names/two" or die;
my $names = watching('--interval', '1', "$site/names");
spew("$site/names/one", 'changed');
becomes("$site/names/one", 'changed', 'a file that has two names');
becomes("$site/names/two", 'changed', 'is indexed under both');
unlink "$site/names/one" or die;
vanishes("$site/names/one", 'when it loses one');
becomes("$site/names/two", 'changed', 'it is indexed again under the other');
is(stopped($names)->{err}, '', 'without a word');

# --- more folders than may be watched ----------------------------------------

# In a user namespace of its own the limit can be set, and hits nobody else.
make_path("$site/wide/$_") for 1 .. 30;
my $setting = '/proc/sys/user/max_inotify_watches';
my @limited = qw(unshare --user --map-root-user sh -c);
SKIP: {
    skip 'no limit of its own here: a user namespace is refused', 10
        unless can_do(@limited, "test -w $setting");
    watch_narrowly();
}

sub watch_narrowly {
    my $narrow = background(@limited, "echo 20 > $setting && exec \"\$@\"", 'sh',
        $tool, '-i', $index, '--json', 'watch', '--interval', '1', $site);
    push @watchers, $narrow;
    ok(wait_for($patience, sub { news($narrow, 'ready') }),
        'it goes on when not all folders can be watched')
        or diag slurp("$narrow->{name}.err");
    spew("$site/wide/$_/file", "file $_") for 1 .. 30;
    is_true('some of them not watched');
    make_path("$site/wide/new/er");
    spew("$site/wide/new/er/file", 'newer');
    becomes("$site/wide/new/er/file", 'newer', 'new folders are found as well');
    unlink "$site/wide/30/file" or die;
    vanishes("$site/wide/30/file", 'and so is what was deleted');
    my @told = lines(slurp("$narrow->{name}.err"));
    is(@told, 1, 'that is told once');
    like($told[0], qr/user\.max_inotify_watches is 20.*every 1 s: run `sysctl /,
        'with the limit, and what to run');
    is(system("nsenter -t $narrow->{pid} --user --preserve-credentials "
                . "sh -c 'echo 1000 > $setting'"), 0, 'the limit is raised');
    my $folders = `find '$site' -type d | wc -l`;
    my $count = 0;
    ok(wait_for($patience, sub {
                spew("$site/wide/count." . $count++, 'settles');
                sleep 0.3;
                (map { $_->{folders} } news($narrow, 'batch'))[-1] == $folders
            }), 'then all folders are watched');
    is(stopped($narrow)->{exit}, 0, 'and it stops as ever');
}

# --- an index that cannot be written to ----------------------------------------

my $bad = watching();
truncate $index, 8192 or die;
$result = finished($bad);
$bad->{ended} = 1;
is($result->{exit}, 3, 'a damaged index ends it with 3');
like($result->{err}, qr/is damaged.*move .* away/, 'and what to do');
unlink $index or die;

mkdir "$work/small" or die;
my @mounted = (qw(unshare --user --map-root-user --mount sh -c), 'mount -t tmpfs'
    . " -o size=300k,mode=755 tmpfs $work/small && exec \"\$@\"", 'sh');
SKIP: {
    skip 'no full disk here: a mount namespace is refused', 2
        unless can_do(@mounted, 'true');
    my $full = background(@mounted, $tool, '-i', "$work/small/v.mdb", 'watch',
        $site);
    push @watchers, $full;
    $result = finished($full);
    $full->{ended} = 1;
    is($result->{exit}, 3, 'a full disk ends it with 3');
    like($result->{err}, qr/No space left.*free space where/s,
        'and what to do');
}

# --- text, refusals -------------------------------------------------------------------

my $text = background($tool, '-i', $index, 'watch', $site);
push @watchers, $text;
ok(wait_for($patience, sub { -s "$text->{name}.out" }), 'in text');
spew("$site/quiet", 'quiet');
becomes("$site/quiet", 'quiet', 'it works');
$result = stopped($text);
like($result->{out}, qr/\Awatching \d+ folders\n\z/, 'and says one line only');
is($result->{err}, '', 'and nothing else');

my $missing = run('watch', $site, "$work/nowhere");
is($missing->{exit}, 2, 'a path that is not there exits with 2');
like($missing->{err}, qr{/nowhere: No such file.*nothing is watched},
    'and is named');
$missing = run('watch', "$site/quiet");
is($missing->{exit}, 2, 'so does a file');
like($missing->{err}, qr/not a folder; watch the one/, 'with what to do');
like(run('watch', '--interval', '0', $site)->{err},
    qr/--interval wants seconds from 1 to 86400/,
    'a wrong interval is explained');

done_testing;
