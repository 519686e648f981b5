# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# The modules that careful administrators load: ModSecurity, mod_qos and
# mod_xsendfile, as Debian ships them.  Validators and 304s are as without them;
# whom their rules refuse is refused; what they rewrite has no strong tag.
use strict;
use warnings;
use Test::More;
use Vld::Extra;
use Vld::Many;
use Vld::Server ();
use Vld::Test;

my $old = 1_555_000_000;
my $small = "<html>\n" . join('', map { "line $_ of a guarded page\n" } 1 .. 40);
my $large = $small x 80;
my %page = ('small.html' => $small, 'large.html' => $large, 'style.css' =>
    $small, 'sub/index.html' => "sub: $small");

my ($libexec) = slurp(top() . '/../modules.conf')
    =~ m{"(/[^"]*)/mod_authz_core\.so"};
my %missing;
sub needs
{
    my @names = grep { !-e "$libexec/mod_$_.so" } @_;
    $missing{$_} = 1 for @names;
    return !@names;
}

my ($qos, $made) = make_module('qos', 'mod_qos');
is($made, '0 ', 'a module with the filters of mod_qos can be made');

# What Debian's security2.conf and modsecurity.conf-recommended say, but for
# where files are; and then more.
sub security
{
    my ($server, @more) = @_;
    my $logs = "$server->{root}/logs";
    my $recommended = '/etc/modsecurity/modsecurity.conf-recommended';
    my $conf = -r $recommended ? slurp($recommended) : '';
    $conf =~ s/^Sec(?:AuditLog|UnicodeMapFile|RuleEngine|TmpDir|DataDir) .*\n//mg;
    return load_modules('unique_id')
        . "LoadModule security2_module \"$libexec/mod_security2.so\"\n"
        . "SecDataDir \"$logs\"\nSecTmpDir \"$logs\"\n"
        . "SecAuditLog \"$logs/audit_log\"\n$conf\nSecRuleEngine On\n"
        . join '', map { "$_\n" } @more;
}

sub sendfile
{
    return "LoadModule xsendfile_module \"$libexec/mod_xsendfile.so\"\n"
        . "XSendFile On\n";
}

sub start
{
    my ($name, $conf, $more) = @_;
    return Vld::Server->start(name => "company-$name", loglevel => 'notice',
        conf => sub {
            my $docs = $_[0]->docs;
            return $conf->($_[0]) . "<Directory \"$docs\">\n"
                . "Require all granted\nDirectoryIndex index.html\n"
                . "</Directory>\n<IfModule mod_validators.c>\n"
                . "ValidatorsEngine On\nValidatorsQuickHandler On\n"
                . 'ValidatorsAnswerTTL 600' . "\n" . ($more || '')
                . "</IfModule>\n";
        }, prepare => sub {
            my $s = shift;
            stamp(spew($s->docs($_), $page{$_}), $old) for keys %page;
            scan_of($s);
        });
}

# Full validators, and 304s by each of them; the words of the last ones.
sub as_without
{
    my ($what, $server) = @_;
    my @ids;
    for my $name (sort keys %page) {
        my $c = $server->client;
        my $url = "/$name" =~ s/index\.html$//r;
        my $full = $c->get($url);
        is("$full->{status} " . tag_in($full) . ' '
            . ($full->{h}{'last-modified'} || ''), '200 '
            . tag_of($page{$name}) . ' ' . http_date($old),
            "$what: $url has the tag of its content, and its date");
        ok($full->{body} eq $page{$name}, "$what: $url: all of it");
        for my $kind (kinds()) {
            for (1 .. 3) {
                push @ids, new_id();
                is($c->get($url, validators_of($full, $kind),
                    'X-Id' => $ids[-1])->{status}, 304,
                    "$what: $url is not modified by $kind");
            }
        }
    }
    my $notes = notes_of($server->log_path, @ids);
    my %seen = map { ($notes->{$_} || 'not logged') => 1 } @ids;
    return join ' ', sort keys %seen;
}

sub names_in_log
{
    my $server = shift;
    return join ' ', sort map { /ValidatorsVouchFor ([\w.]+)/ ? $1 : () }
        split /\n/, $server->error_log;
}

sub rewriter_in_log
{
    return join ' ', $_[0]->error_log =~ /the filter (\S+) is not known/ig;
}

# --- as they are shipped ---------------------------------------------------------

{
    my $server = start(plain => sub { '' });
    like(as_without('without them', $server), qr/quick/,
        'without them the quick handler answers');
    is(names_in_log($server), '', 'and the log names no module');
    $server->stop;

    $server = start(qos => sub { $qos });
    unlike(as_without('mod_qos', $server), qr/quick|declined/,
        'with mod_qos the quick handler answers nothing');
    is(names_in_log($server), 'mod_qos.c', 'and the log names it');
    is(rewriter_in_log($server), '', 'its filters are known');
    $server->stop;

    $server = start('qos-vouched' => sub { $qos },
        "ValidatorsVouchFor mod_qos.c\n");
    like(as_without('mod_qos, vouched for', $server), qr/quick/,
        'with mod_qos, vouched for, it does');
    is(names_in_log($server), '', 'and the log does not name it');
    $server->stop;
}

SKIP: {
    needs('xsendfile') or skip 'libapache2-mod-xsendfile is not installed', 1;
    my $server = start(sendfile => sub { sendfile() });
    like(as_without('mod_xsendfile', $server), qr/quick/,
        'with mod_xsendfile the quick handler answers');
    is(names_in_log($server) . rewriter_in_log($server), '',
        'and the log names nothing');
    $server->stop;

    # mod_headers can have it send another file.
    $server = start('sendfile-field' => sub {
        my $docs = $_[0]->docs;
        sendfile() . "<Files style.css>\nHeader set X-Sendfile"
            . " \"$docs/large.html\"\n</Files>\n";
    });
    my $res = $server->client->get('/style.css');
    is($res->{body}, $large, 'mod_headers can have it send another file');
    isnt(tag_in($res), tag_of($small), 'which is not sent under the tag of'
        . ' the first');
    $server->stop;
}

SKIP: {
    needs('security2') or skip 'libapache2-mod-security2 is not installed', 1;
    my $server = start(security => sub { security($_[0]) });
    is(as_without('ModSecurity', $server), 'replay', 'with ModSecurity 304s'
        . ' are replayed, but not by the quick handler');
    is(names_in_log($server), 'mod_security2.c', 'and the log names it');
    is(rewriter_in_log($server), '', 'its filter is known');
    $server->stop;

    $server = start('security-vouched' => sub { security($_[0]) },
        "ValidatorsVouchFor mod_security2.c\n");
    like(as_without('ModSecurity, vouched for', $server), qr/quick/,
        'with ModSecurity, vouched for, the quick handler answers');
    $server->stop;

    if (needs('xsendfile')) {
        $server = start(all => sub { security($_[0]) . sendfile() . $qos });
        as_without('all of them', $server);
        is(names_in_log($server), 'mod_qos.c mod_security2.c',
            'each is named once');
        $server->stop;
    }
}

# --- rules that refuse -----------------------------------------------------------

my $other = '127.0.0.9';
sub refuses
{
    my ($what, @rules) = @_;
    my $server = start('refuses' => sub { security($_[0], @rules) });
    my $tag = tag_of($small);
    my $friend = $server->client;
    $friend->get('/small.html');
    my %got;
    for (1 .. 4) {
        is($friend->get('/small.html', 'If-None-Match' => $tag)->{status}, 304,
            "$what: who is let in gets 304s");
        for my $c ($server->client(from => $other), $server->client) {
            my @refuse = $c->{from} ? () : ('X-Refuse' => 'yes');
            for my $ask ([], ['If-None-Match' => $tag],
                ['If-Modified-Since' => http_date($old)])
            {
                $got{$c->request($_, '/small.html', @$ask, @refuse)->{status}}
                    ++ for qw(GET HEAD);
            }
        }
    }
    is_deeply(\%got, { 403 => 48 }, "$what: who is refused by address or field"
        . ' is refused, with and without preconditions');
    $server->stop;
}

SKIP: {
    needs('security2') or skip 'libapache2-mod-security2 is not installed', 1;
    for my $phase (1, 2, 3, 4, "'2'", "'3'", 'request', 'response') {
        my $deny = "\"id:%d,phase:$phase,deny,status:403,nolog\"";
        refuses("phase $phase", sprintf("SecRule REQUEST_HEADERS:X-Refuse"
            . " \"\@streq yes\" $deny", 1), sprintf("SecRule REMOTE_ADDR"
            . " \"\@ipMatch $other\" $deny", 2));
    }
}

# What else makes a rule of the response: each 304 is made from one that it has
# seen.
SKIP: {
    needs('security2') or skip 'libapache2-mod-security2 is not installed', 1;
    my $script = spew(top() . '/logs/refuse.lua', <<'END');
function main()
    if m.getvar("REQUEST_HEADERS.X-Refuse") == "yes" then
        return "refused"
    end
    return nil
end
END
    for my $case (
        ['SecAction', 'SecAction "id:1,phase:3,pass,nolog"'],
        ['SecDefaultAction', 'SecDefaultAction "phase:4,pass,nolog"'],
        ['SecRuleScript', "SecRuleScript \"$script\""
            . ' "id:1,phase:3,deny,status:403,nolog"'],
        ['setenv', 'SecAction "id:1,phase:1,pass,nolog,setenv:hat=on"'],
        ['SecRemoteRules', "SecRemoteRulesFailAction Warn\n"
            . 'SecRemoteRules key https://127.0.0.1:1/rules'],
    )
    {
        my ($what, @rules) = @$case;
        my $server = start("late-$what" => sub { security($_[0], @rules) });
        is(as_without($what, $server), '304', "with $what nothing is replayed");
        is($server->client->get('/small.html', 'X-Refuse' => 'yes',
            'If-None-Match' => tag_of($small))->{status}, 403,
            'and whom it refuses is refused') if $what eq 'SecRuleScript';
        $server->stop;
    }
}

# --- what is rewritten -----------------------------------------------------------

sub rewritten
{
    my ($name, @rules) = @_;
    return start("rewritten-$name" => sub { security($_[0], @rules) });
}

# What the client gets is what it would get in full.
sub never_untrue
{
    my ($what, $server) = @_;
    my @hats = ([], ['X-Hat' => 'on'], ['X-Hat' => 'on'], []);
    my %held;
    for my $name ('small.html', 'large.html', 'style.css') {
        for my $hat (@hats) {
            my $c = $server->client;
            my $full = $c->get("/$name", @$hat);
            is($full->{status}, 200, "$what: /$name");
            ok(!strong(tag_in($full)), 'has no strong tag');
            push @{$held{$name}}, $full;
            for my $kept (@{$held{$name}}) {
                for my $kind (kinds()) {
                    my @v = validators_of($kept, $kind) or next;
                    my $res = $c->get("/$name", @$hat, @v);
                    ok($res->{status} == 200 && $res->{body} eq $full->{body}
                        || $res->{status} == 304
                            && $kept->{body} eq $full->{body},
                        "$what: /$name by $kind: true");
                }
            }
        }
    }
    return $held{'small.html'};
}

SKIP: {
    needs('security2') or skip 'libapache2-mod-security2 is not installed', 1;
    my $server = rewritten(append => 'SecContentInjection On',
        'SecRule REQUEST_HEADERS:X-Hat "@streq on"'
            . ' "id:1,phase:1,pass,nolog,append:\'<!-- a hat -->\'"');
    my ($bare, $hat) = @{never_untrue('content is added', $server)};
    ok($hat->{body} eq "$small<!-- a hat -->", 'it is added, indeed');
    is(tag_in($hat), 'none', 'what it is added to has no tag');
    ok(weak(tag_in($bare)), 'what it is not added to has a weak tag');
    is($server->client->get('/small.html', 'If-None-Match' => tag_in($bare))
        ->{status}, 304, 'which is good for a 304');
    $server->stop;

    $server = rewritten(edit => 'SecContentInjection On',
        'SecStreamOutBodyInspection On',
        'SecRule REQUEST_HEADERS:X-Hat "@streq on"'
            . ' "id:1,phase:4,pass,nolog,chain"',
        'SecRule STREAM_OUTPUT_BODY "@rsub s/guarded/hatted/" "t:none"');
    ($bare, $hat) = @{never_untrue('content is edited', $server)};
    like($hat->{body}, qr/hatted/, 'it is edited, indeed');
    is(tag_in($_), 'none', 'neither has a tag') for $bare, $hat;
    like(rewriter_in_log($server), qr/MODSECURITY_OUT/i, 'and the log names'
        . ' the filter');
    $server->stop;

    $server = rewritten(inspect => 'SecContentInjection Off',
        'SecStreamOutBodyInspection On');
    as_without('content is inspected', $server);
    $server->stop;
}

# --- a scripting language in the server ------------------------------------------

{
    my $server = start(lua => sub { load_modules('lua') });
    unlike(as_without('mod_lua', $server), qr/quick/, 'with mod_lua the quick'
        . ' handler answers nothing');
    is(names_in_log($server), 'mod_lua.c', 'and the log names it');
    $server->stop;
    $server = start('lua-vouched' => sub { load_modules('lua') },
        "ValidatorsVouchFor mod_lua.c\n");
    like(as_without('mod_lua, vouched for', $server), qr/quick/,
        'with mod_lua, vouched for, it does');
    $server->stop;
}

diag("not installed: $_") for sort keys %missing;
done_testing();
