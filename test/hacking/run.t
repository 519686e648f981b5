#!/usr/bin/perl
# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# HACKING.md tells the truth: each of its commands is run as it stands there,
# in a copy of the tree, and each recipe is begun, so that every guard that it
# names is seen to say what the document says.
use strict;
use warnings;
use Cwd ();
use File::Basename ();
use File::Path ();
use File::Temp ();
use POSIX ();
use Test::More;
use Time::HiRes ();

my $source = Cwd::abs_path($ENV{srcdir}
    || File::Basename::dirname($0) . '/../..');
my $folder = File::Temp::tempdir('vld-hacking-XXXXXX', TMPDIR => 1,
    CLEANUP => 1);
my $copy = "$folder/source";
# Where HACKING.md keeps a stage.
my $stage = '/tmp/vld-stage';
my $had_stage = -e $stage;
delete @ENV{qw(srcdir builddir HTVALIDATORS MODULE ASAN_OPTIONS MAKEFLAGS)};

sub slurp
{
    my $path = shift;
    open my $fh, '<', $path or die "$path: $!\n";
    local $/;
    return scalar <$fh>;
}

sub spew
{
    my ($path, $text) = @_;
    open my $fh, '>', $path or die "$path: $!\n";
    print {$fh} $text;
    close $fh or die "$path: $!\n";
}

# Run in the copy, at most for so many seconds; the exit status and the output.
sub run
{
    my ($command, $input) = @_;
    my $log = "$folder/log";
    spew("$folder/input", defined $input ? $input : '');
    my $pid = fork;
    die "fork: $!\n" unless defined $pid;
    if (!$pid) {
        chdir $copy or POSIX::_exit(126);
        open STDIN, '<', "$folder/input";
        open STDOUT, '>', $log;
        open STDERR, '>&', \*STDOUT;
        exec('timeout', '--kill-after=10', 600, 'sh', '-ec', $command)
            or POSIX::_exit(127);
    }
    waitpid $pid, 0;
    return ($?, slurp($log));
}

sub copy_tree
{
    my $files = -e "$source/.git"
        ? "git -c safe.directory='$source' ls-files -z --recurse-submodules"
        : "find . -type f -print0";
    mkdir $copy or die "$copy: $!\n";
    chmod 0755, $folder, $copy;
    system('sh', '-c', "cd '$source' && $files"
        . " | tar --null -T - -cf - | tar -C '$copy' -xf -") == 0
        or die "the tree was not copied\n";
}

# --- the document ---------------------------------------------------------------

# The commands of the fenced blocks; a backslash joins lines.
sub commands_of
{
    my @commands;
    for my $block (shift =~ /^```sh\n(.*?)^```$/msg) {
        push @commands, $block =~ /((?:[^\n]*\\\n)*[^\n]+)\n/g;
    }
    return @commands;
}

# Title of a recipe => [guard, sentence] of each step.
sub recipes_of
{
    my %recipes;
    my $text = shift;
    while ($text =~ /^### (Add [^\n]+)\n(.*?)(?=^##|\z)/msg) {
        my ($title, $table) = ($1, $2);
        $recipes{$title} = [map { [/\| `(\w+\.t)`: (.+) \|$/] }
                grep { /\| `\w+\.t`: .+ \|$/ } split /\n/, $table];
    }
    return %recipes;
}

copy_tree();
my $document = slurp("$copy/HACKING.md");
my @commands = commands_of($document);
my %recipes = recipes_of($document);
cmp_ok(scalar(@commands), '>', 0, 'HACKING.md has commands');
is_deeply([sort keys %recipes],
    ['Add a command', 'Add a directive',
        'Add a directive of another module, of which note is taken',
        'Add a field of the record', 'Add a word of the note'],
    'HACKING.md has the five recipes');

# --- the commands ------------------------------------------------------------------

sub show_end
{
    my @lines = split /\n/, shift;
    @lines = @lines[-30 .. -1] if @lines > 30;
    diag($_) for @lines;
}

# The processes with these arguments.  What the server has forked (mod_cgid's
# daemon) outlives it where the debugger kills it.
sub started_as
{
    my $line = join "\0", @_, '';
    my $name = quotemeta substr $line, index($line, "\0");
    return grep { slurp_quietly("/proc/$_/cmdline") =~ /^[^\0]*apache2$name\z/ }
        map { m{/(\d+)\z} ? $1 : () } glob '/proc/*';
}

sub slurp_quietly
{
    open my $fh, '<:raw', shift or return '';
    local $/;
    my $text = <$fh>;
    return defined $text ? $text : '';
}

# The debugger waits until the next command asks the server for something, and
# then is told what a hacker would type.
sub debug
{
    my ($gdb, $ask) = @_;
    my $asker = fork;
    die "fork: $!\n" unless defined $asker;
    if (!$asker) {
        open STDOUT, '>', '/dev/null';
        open STDERR, '>', '/dev/null';
        for (1 .. 60) {
            Time::HiRes::sleep(0.5);
            my $status = system('timeout', 40, 'sh', '-c', $ask);
            # 7: nobody listens yet.
            POSIX::_exit(0) if $status >> 8 != 7;
        }
        POSIX::_exit(1);
    }
    my ($status, $out) = run($gdb, "backtrace 3\nkill\nquit\n");
    kill 'TERM', $asker;
    waitpid $asker, 0;
    my ($args) = $gdb =~ /--args (.*\S)/s;
    kill 'TERM', started_as(split ' ', $args);
    like($out, qr/hit Breakpoint 1,.*^(?:\(gdb\) )*#0 +vld_attach_filter/ms,
        'gdb stops where HACKING.md says') or show_end($out);
}

sub can_debug
{
    return system('gdb -q -batch -ex run --args true >/dev/null 2>&1') == 0;
}

while (defined(my $command = shift @commands)) {
    if ($command =~ /^gdb /) {
        my $ask = shift @commands;
        SKIP: {
            skip 'processes cannot be traced here', 1 unless can_debug();
            debug($command, $ask);
        }
        next;
    }
    my ($status, $out) = run($command);
    my $name = $command =~ s/\s*\\\n\s*/ /gr;
    is($status, 0, $name =~ s/#/\\#/gr) or show_end($out);
    unlike($out, qr/^not ok/m, '... and no test fails')
        if $out =~ /^(?:not )?ok\b/m;
}

# --- the recipes --------------------------------------------------------------------

my %complaints;

# The sentences that a guard says are not so.
sub collect_complaints
{
    for my $guard (@_) {
        my (undef, $out) = run("builddir=build test/guard/$guard");
        $complaints{"$guard: $_"} = 1 for $out =~ /^not ok \d+ - (.+)$/mg;
    }
}

sub edit
{
    my ($file, $pattern, $replacement) = @_;
    my $text = slurp("$copy/$file");
    my $done = $text =~ s/$pattern/$replacement->()/em;
    spew("$copy/$file", $text) if $done;
    ok($done, "$file has the place for it");
}

sub guards_of
{
    my %seen;
    return grep { !$seen{$_}++ } map { $_->[0] } @{ $recipes{shift()} };
}

my %begin = (
    'Add a directive' => sub {
        edit('server/directives.c',
            qr/^( *AP_INIT_FLAG\("ValidatorsQuickHandler".*?\),?\n)/ms,
            sub { my $row = $1;
                $row . $row =~ s/QuickHandler/Hello/r =~ s/([^,])\n\z/$1,\n/r });
        collect_complaints(guards_of('Add a directive'));
        edit('docs/directives.md', qr/^(### ValidatorsEngine\n)/m,
            sub { "### ValidatorsHello\n\n$1" });
        collect_complaints('directives.t');
    },
    'Add a directive of another module, of which note is taken' => sub {
        edit('server/access/foreign_directives.h', qr/^( *)X\(Deny, /m,
            sub { "$1X(ForeignHello, note_always, mod_hello, OR_LIMIT) \\\n"
                . "$1X(Deny, " });
        collect_complaints('directives.t');
    },
    'Add a command' => sub {
        my $stat = slurp("$copy/cli/cmd_stat.c");
        spew("$copy/cli/cmd_hello.c", $stat =~ s/cli_stat\b/cli_hello/r
            =~ s/"stat"/"hello"/r);
        my ($header) = map { s/^\Q$copy\E\///r }
            grep { slurp($_) =~ /^extern const cli_command cli_stat;/m }
            glob "$copy/cli/*.h";
        edit($header, qr/^(extern const cli_command cli_)stat;\n/m,
            sub { "$1stat;\n$1hello;\n" });
        edit('cli/commands.c', qr/(&cli_stat,)/,
            sub { "$1 &cli_hello," });
        collect_complaints('dist.t');
        edit('Makefile.am', qr/(cli\/cmd_stat\.c)/,
            sub { "$1 cli/cmd_hello.c" });
        my ($status, $out) = run('make -s -C build htvalidators');
        is($status, 0, 'a command is built') or show_end($out);
        collect_complaints('commands.t');
    },
    'Add a word of the note' => sub {
        edit('server/note.h', qr/^( *)X\(OK, "200", /m,
            sub { "$1X(HELLO, \"hello\", \"hello\") \\\n$1X(OK, \"200\", " });
        collect_complaints('words.t');
    },
    'Add a field of the record' => sub {
        edit('index/record.c', qr/^( *)(AT_PATH = \d+)/m,
            sub { "$1AT_HELLO = 92,\n$1$2" });
        collect_complaints('record.t');
    },
);

collect_complaints(map { guards_of($_) } keys %recipes);
is_deeply([sort keys %complaints], [], 'no guard complains before');
for my $title (sort keys %recipes) {
    my @steps = @{ $recipes{$title} };
    cmp_ok(scalar(@steps), '>', 1, "$title: guards are named");
    %complaints = ();
    my @kept = map { [$_, slurp("$copy/$_")] } split /\0/,
        `cd '$copy' && find cli server index docs Makefile.am -type f -print0`;
    $begin{$title} ? $begin{$title}->() : fail("$title: nobody tries it");
    ok($complaints{"$_->[0]: $_->[1]"}, "$title: $_->[0] says: $_->[1]")
        for @steps;
    spew("$copy/$_->[0]", $_->[1]) for @kept;
    unlink "$copy/cli/cmd_hello.c";
}
File::Path::remove_tree($stage) unless $had_stage;
done_testing();
